/* What a page may do beyond plain HTML. Everything here has a way without it. */
(function () {
  "use strict";
  var root = document.documentElement;
  root.classList.add("scripted");

  /* A hidden page asks nothing, one nobody touches asks rarely; both catch up when they are looked at again. */
  var touched = Date.now(), asked = 0;
  ["pointermove", "pointerdown", "keydown", "scroll", "visibilitychange"].forEach(function (name) {
    document.addEventListener(name, function () { touched = Date.now(); }, { passive: true });
  });
  document.addEventListener("htmx:beforeRequest", function (event) {
    if (!event.target.hasAttribute("data-live")) return;
    var now = Date.now(), idle = now - touched > 120000;
    if (document.hidden || idle && now - asked < 15000) event.preventDefault();
    else asked = now;
  });

  /* Ctrl-K or ⌘K finds; / too, outside of fields. */
  function typing(target) {
    return target.isContentEditable || /^(input|select|textarea)$/i.test(target.tagName);
  }
  document.addEventListener("keydown", function (event) {
    var find = document.getElementById("find");
    if (find && (event.key === "k" && (event.ctrlKey || event.metaKey) || event.key === "/" && !typing(event.target))) {
      event.preventDefault();
      if (find.offsetParent === null) location.href = find.form.action;
      else { find.focus(); find.select(); }
      return;
    }
    if (typing(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
    /* j and k walk a list; other keys press what names them. */
    if (event.key === "j" || event.key === "k") {
      var links = [].slice.call(document.querySelectorAll("[data-walk] a[data-step]"));
      if (!links.length) return;
      var here = links.findIndex(function (link) { return link === document.activeElement; });
      if (here < 0) here = links.findIndex(function (link) { return link.hasAttribute("aria-current"); });
      var to = links[Math.max(0, Math.min(links.length - 1, here + (event.key === "j" ? 1 : -1)))];
      event.preventDefault();
      if (document.querySelector("[data-walk-opens]")) location.href = to.href;
      else to.focus();
      return;
    }
    if (!/^[a-z]$/.test(event.key)) return;
    var press = document.querySelector('[data-key="' + event.key + '"]');
    if (press) { event.preventDefault(); press.focus(); press.click(); }
  });

  /* Menus close when the attention goes elsewhere. */
  document.addEventListener("click", function (event) {
    document.querySelectorAll("details.menu[open]").forEach(function (menu) {
      if (!menu.contains(event.target)) menu.removeAttribute("open");
    });
  });
  document.addEventListener("keydown", function (event) {
    if (event.key !== "Escape") return;
    document.querySelectorAll("details.menu[open]").forEach(function (menu) {
      menu.removeAttribute("open");
      menu.querySelector("summary").focus();
    });
  });

  /* Files may be dropped; where nothing else is asked, choosing them sends the form at once. */
  document.querySelectorAll(".drop").forEach(function (drop) {
    var input = drop.querySelector("input[type=file]");
    if (!input) return;
    var words = drop.querySelector("[data-words]");
    function chosen() {
      if (!input.files.length) return;
      if (words) { words.hidden = false; words.textContent = words.dataset.words.replace("{n}", input.files.length); }
      if (!input.hasAttribute("data-send")) return;
      drop.setAttribute("aria-busy", "true");
      input.form.requestSubmit ? input.form.requestSubmit() : input.form.submit();
    }
    input.addEventListener("change", chosen);
    ["dragenter", "dragover"].forEach(function (name) {
      drop.addEventListener(name, function (event) { event.preventDefault(); drop.classList.add("over"); });
    });
    ["dragleave", "drop"].forEach(function (name) {
      drop.addEventListener(name, function (event) { event.preventDefault(); drop.classList.remove("over"); });
    });
    drop.addEventListener("drop", function (event) { input.files = event.dataTransfer.files; chosen(); });
  });

  /* A value stops being “recognised” once it is touched. */
  document.addEventListener("input", function (event) {
    var field = event.target.closest(".field.recognised");
    if (field) field.classList.remove("recognised");
  });

  /* One press is enough. */
  document.addEventListener("submit", function (event) {
    if (event.target.dataset.sent) { event.preventDefault(); return; }
    if ((event.target.method || "get").toLowerCase() === "post" && !event.target.hasAttribute("data-again")) {
      event.target.dataset.sent = "yes";
      setTimeout(function () { delete event.target.dataset.sent; }, 8000);
    }
  });
  window.addEventListener("pageshow", function () {
    document.querySelectorAll("form[data-sent]").forEach(function (form) { delete form.dataset.sent; });
  });

  /* All of a list at once. */
  document.addEventListener("change", function (event) {
    var all = event.target.dataset.all;
    if (all) document.querySelectorAll('input[name="' + all + '"]').forEach(function (box) { box.checked = event.target.checked; });
    var counted = event.target.closest("[data-counts]");
    if (counted) {
      var n = counted.querySelectorAll("input[type=checkbox]:checked:not([data-all])").length;
      counted.querySelectorAll("[data-count]").forEach(function (place) { place.textContent = n; });
      counted.querySelectorAll("[data-needs-some]").forEach(function (button) { button.disabled = !n; });
    }
  });

  document.querySelectorAll("[data-print]").forEach(function (button) {
    button.addEventListener("click", function () { window.print(); });
  });
})();
