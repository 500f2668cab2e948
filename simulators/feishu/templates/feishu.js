// The few calls of Feishu's client JSAPI (tt.*, h5sdk) that a page inside the client needs to sign its reader in.
(() => {
  const home = new URL(document.currentScript.src).origin;
  const ask = async (appId, { success, fail, complete } = {}) => {
    const answer = await fetch(`${home}/client/auth-code?${new URLSearchParams({ appId: appId ?? "" })}`, { credentials: "include" });
    const said = await answer.json();
    (answer.ok ? success : fail)?.(said);
    complete?.(said);
  };
  window.tt = {
    requestAccess: (wish = {}) => ask(wish.appID, wish),
    requestAuthCode: (wish = {}) => ask(wish.appId, wish),
  };
  window.h5sdk = {
    ready: (then) => then(),
    error: () => undefined,
    config: ({ onSuccess } = {}) => onSuccess?.({}),
  };
})();
