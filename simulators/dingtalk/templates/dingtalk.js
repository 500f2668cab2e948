// The few calls of DingTalk's client JSAPI (dd.*) that a page inside the client needs to sign its reader in.
(() => {
  const home = new URL(document.currentScript.src).origin;
  const requestAuthCode = async ({ corpId = "", userid = "", onSuccess, onFail, success, fail } = {}) => {
    const query = new URLSearchParams({ corpId, userid });
    const answer = await fetch(`${home}/client/auth-code?${query}`, { credentials: "include" });
    const said = await answer.json();
    const hear = answer.ok ? onSuccess ?? success : onFail ?? fail;
    if (hear) hear(said);
    else if (!answer.ok) throw said;
    return said;
  };
  window.dd = {
    env: { platform: "pc", version: "7.6.0" },
    ready: (then) => then(),
    config: () => undefined,
    error: () => undefined,
    requestAuthCode,
    runtime: { permission: { requestAuthCode } },
  };
})();
