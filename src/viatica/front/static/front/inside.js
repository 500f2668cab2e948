/* 免登: ask the OA's client for a code and send it on. Without the client, the page says how to go on. */
(function () {
  "use strict";
  var form = document.getElementById("inside");
  var failed = document.getElementById("not-inside");
  function tell() { failed.hidden = false; document.getElementById("entering").hidden = true; }
  var sent = false;
  function send(code) {
    if (sent) return;
    if (!code) return tell();
    sent = true;
    form.elements.code.value = code;
    form.submit();
  }
  var dd = window.dd;
  if (!dd || !dd.requestAuthCode) return tell();
  var asked = { corpId: form.dataset.corp, clientId: form.dataset.client };
  function ask() {
    try {
      var answer = dd.requestAuthCode(Object.assign({
        onSuccess: function (result) { send(result && result.code); }, onFail: tell,
        success: function (result) { send(result && result.code); }, fail: tell
      }, asked));
      if (answer && answer.then) answer.then(function (result) { send(result && result.code); }, tell);
    } catch (error) { tell(); }
  }
  if (dd.ready) dd.ready(ask); else ask();
})();
