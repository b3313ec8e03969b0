"use strict";
// The selection bar: links keep the view of the table, and a slider walks through past states.

(() => {
  // The view of a table is in the fragment, which links and forms would drop
  for (const each of document.querySelectorAll("a[data-keep]")) {
    each.addEventListener("click", () => (each.hash = location.hash));
  }
  for (const each of document.querySelectorAll("form[data-keep]")) {
    each.addEventListener("submit", (event) => {
      event.preventDefault();
      const given = [...new FormData(each)].filter(([, value]) => value !== "");
      location.assign(`${location.pathname}?${new URLSearchParams(given)}${location.hash}`);
    });
  }

  const slider = document.querySelector("input[data-moments]");
  if (!slider) return;
  slider.hidden = false;
  const said = slider.parentElement.querySelector(".event");
  const WAIT = 500;
  let moments = null;
  let timer = 0;

  const load = () => (moments ??= fetch(slider.dataset.moments).then((answer) => answer.json()));

  const tell = async () => {
    const place = Number(slider.value);
    const found = await load();
    if (place !== Number(slider.value)) return;
    slider.setAttribute("aria-valuetext", found.what[place - 1]);
    said.textContent = `${place} of ${slider.max}: ${found.what[place - 1]}`;
  };

  const go = async () => {
    const found = await load();
    const place = Number(slider.value);
    sessionStorage.setItem("lakebatch.walking", "yes");
    const query = new URLSearchParams(slider.dataset.now);
    if (place < Number(slider.max)) query.set("as_of", found.at[place - 1]);
    location.assign(`${location.pathname}?${query}${location.hash}`);
  };

  slider.addEventListener("input", tell);
  slider.addEventListener("change", () => {
    clearTimeout(timer);
    timer = setTimeout(go, WAIT); // keys change it step by step
  });
  if (sessionStorage.getItem("lakebatch.walking")) {
    sessionStorage.removeItem("lakebatch.walking");
    slider.focus();
  }
})();
