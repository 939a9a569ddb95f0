"use strict";
(() => {
  const form = document.getElementById("filter");
  const status = document.getElementById("shown");
  const parts = [...document.querySelectorAll("[data-domain]")];
  const { domain, verdict } = form.elements;

  function show() {
    let shown = 0, total = 0;
    for (const part of parts) {
      const rows = [...part.querySelectorAll("[data-verdict]")];
      const here = !domain.value || part.dataset.domain === domain.value;
      for (const row of rows) {
        row.hidden = !here || Boolean(verdict.value) && row.dataset.verdict !== verdict.value;
      }
      const kept = rows.filter(row => !row.hidden).length;
      part.hidden = kept === 0;
      shown += kept;
      total += rows.length;
    }
    status.textContent = `${shown} of ${total} claims shown.`;
  }

  // A link to a claim that the filter hides shows all claims again.
  function reveal() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target && target.closest("[hidden]")) {
      form.reset();
      show();
      target.scrollIntoView();
    }
  }

  // The counts at the top lead to the claims that they count.
  for (const link of document.querySelectorAll("[data-count]")) {
    link.addEventListener("click", () => {
      domain.value = link.dataset.of;
      verdict.value = link.dataset.count;
      show();
    });
  }
  form.addEventListener("change", show);
  form.addEventListener("reset", () => setTimeout(show));
  form.addEventListener("submit", event => event.preventDefault());
  window.addEventListener("hashchange", reveal);
  form.hidden = false;
  show();
  reveal();
})();
