"use strict";
(() => {
  const form = document.getElementById("filter");
  const table = document.getElementById("stages");
  const shown = document.getElementById("shown");
  const none = document.getElementById("none");
  if (!table) return;
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => ({ row, text: row.textContent.toLowerCase() }));
  const heads = [...table.tHead.rows[0].cells];
  const keys = heads.map((head) => head.dataset.key);
  const order = new Intl.Collator(undefined, { numeric: true });
  const choices = [...form.querySelectorAll("select")].map((select) => select.name);
  // A unit fits whatever is below it, as in r-ab12/ou-ab12-11111111/ou-ab12-22222222.
  const fitsChoice = (row, name) => `${row.dataset[name]}/`.startsWith(`${form[name].value}/`);
  let sort = "";

  const filter = () => {
    const words = form.q.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = choices.filter((name) => form[name].value);
    let count = 0;
    for (const { row, text } of rows) {
      const fits = words.every((word) => text.includes(word))
        && wanted.every((name) => fitsChoice(row, name));
      row.hidden = !fits;
      count += fits;
    }
    const by = [...words, ...wanted.map((name) => form[name].selectedOptions[0].text)];
    shown.textContent = by.length
      ? `${count} of ${rows.length} stages shown, filtered by: ${by.join(", ")}`
      : `All ${rows.length} stages shown`;
    none.hidden = count > 0;
  };

  const arrange = () => {
    const key = sort.replace(/^-/, "");
    const column = keys.indexOf(key);
    heads.forEach((head, at) => {
      if (at === column) head.setAttribute("aria-sort", sort.startsWith("-") ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    const value = ({ row }) => row.cells[column].dataset.sort ?? row.cells[column].textContent.trim();
    const sorted = column < 0 ? rows : rows.toSorted((one, other) =>
      order.compare(value(one), value(other)) * (sort.startsWith("-") ? -1 : 1));
    body.append(...sorted.map(({ row }) => row));
  };

  const remember = () => {
    const state = new URLSearchParams(new FormData(form));
    if (sort) state.set("sort", sort);
    for (const [name, value] of [...state]) if (!value) state.delete(name);
    history.replaceState(null, "", `#${state}`);
  };

  const recall = () => {
    const state = new URLSearchParams(location.hash.slice(1));
    form.q.value = state.get("q") ?? "";
    for (const name of choices) {
      form[name].value = state.get(name) ?? "";
      if (form[name].selectedIndex < 0) form[name].value = "";
    }
    sort = state.get("sort") ?? "";
    filter();
    arrange();
  };

  heads.forEach((head) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => {
      const key = head.dataset.key;
      sort = sort === key ? `-${key}` : key;
      arrange();
      remember();
    });
    head.replaceChildren(button);
  });
  form.addEventListener("input", () => { filter(); remember(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => { sort = ""; filter(); arrange(); remember(); }));
  // A link of a table above, or another one to this page.
  addEventListener("hashchange", () => { recall(); form.scrollIntoView(); });
  form.hidden = false;
  recall();
})();
