// The few calls of WeCom's client JS-SDK a page inside the client needs: wx.config, wx.agentConfig and
// wx.invoke("thirdPartyOpenPage"). Signatures are checked by the simulator, as the client checks them.
(() => {
  const home = new URL(document.currentScript.src).origin;
  const ask = async (path, body) => {
    const answer = await fetch(home + path, { method: "POST", credentials: "include", body: JSON.stringify(body) });
    return (await answer.json());
  };
  const here = () => location.href.split("#")[0];
  const heard = { ready: [], error: [] };
  const wx = {
    config: async ({ appId, timestamp, nonceStr, signature }) => {
      const told = { kind: "config", corpid: appId, timestamp: String(timestamp), nonceStr, signature, url: here() };
      const { result } = await ask("/client/config", told);
      const errMsg = result === "ok" ? "config:ok" : `config:fail, ${result}`;
      for (const hear of heard[result === "ok" ? "ready" : "error"]) hear({ errMsg });
    },
    ready: (hear) => heard.ready.push(hear),
    error: (hear) => heard.error.push(hear),
    agentConfig: async ({ corpid, agentid, timestamp, nonceStr, signature, success, fail }) => {
      const told = { kind: "agentConfig", corpid, agentid: String(agentid), timestamp: String(timestamp), nonceStr, signature, url: here() };
      const { result } = await ask("/client/config", told);
      if (result === "ok") success?.({ errMsg: "agentConfig:ok" });
      else fail?.({ errMsg: `agentConfig:fail, ${result}` });
    },
    invoke: async (name, given, hear) => {
      if (name !== "thirdPartyOpenPage") return hear?.({ err_msg: `${name}:fail, function not exist`, errMsg: "function not exist" });
      const { result, url } = await ask("/client/approval", given);
      hear?.({ err_msg: result === "ok" ? `${name}:ok` : `${name}:fail`, errMsg: result, url });
      if (url && given.oaType === "10002") location.href = url;
    },
  };
  window.wx = wx;
})();
