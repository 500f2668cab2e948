/* Copying with one press. Without it the values can be selected with one. */
(function () {
  "use strict";
  var told = document.getElementById("copied");

  function select(place) {
    var range = document.createRange();
    range.selectNodeContents(place);
    var chosen = window.getSelection();
    chosen.removeAllRanges();
    chosen.addRange(range);
  }

  /* A page that was not fetched over https has no clipboard of its own; selecting and the old command still work. */
  function copy(place) {
    if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(place.textContent);
    select(place);
    return document.execCommand("copy") ? Promise.resolve() : Promise.reject(new Error("not copied"));
  }

  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-copy]");
    if (!button) return;
    var place = button.closest(".copy").querySelector(".copied");
    copy(place).then(function () {
      var before = button.dataset.before = button.dataset.before || button.textContent;
      button.textContent = told.textContent = told.dataset.words;
      setTimeout(function () { button.textContent = before; told.textContent = ""; }, 1600);
    }, function () { select(place); });
  });
})();
