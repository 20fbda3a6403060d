// What a reader can do on a page; without scripts everything is shown as it stands.
document.documentElement.classList.add("cxr-scripts");

const remembered = (key) => { try { return localStorage.getItem(key); } catch { return null; } };
const remember = (key, value) => { try { localStorage.setItem(key, value); } catch { /* private */ } };

// One switch shows the code of every cell, on every page until it is switched back.
function codeSwitch() {
  if (!document.querySelector(".cell_input")) return;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "cxr-code-switch";
  const set = (on) => {
    document.documentElement.classList.toggle("cxr-code", on);
    button.setAttribute("aria-pressed", on);
    button.textContent = on ? "Hide all code" : "Show all code";
    remember("cxr-code", on ? "on" : "off");
  };
  button.addEventListener("click", () => set(button.getAttribute("aria-pressed") !== "true"));
  set(remembered("cxr-code") === "on");
  document.querySelector(".bd-article > section > h1")?.after(button);
}

// Sort a table by any column.
function sortable(table) {
  const verdict = (cell) => cell.querySelector("[data-verdict]")?.dataset.verdict;
  const value = (row, column) => verdict(row.cells[column]) ?? row.cells[column].innerText.trim();
  const compare = (a, b) => {
    const [x, y] = [a, b].map((text) => parseFloat(text.replace(/,/g, "")));
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
  };
  const headers = [...table.tHead.rows[0].cells];
  headers.forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = header.textContent;
    header.replaceChildren(button);
    button.addEventListener("click", () => {
      const ascending = header.getAttribute("aria-sort") !== "ascending";
      headers.forEach((other) => other.removeAttribute("aria-sort"));
      header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      // Empty cells come last in either order.
      const rows = [...table.tBodies[0].rows].sort((a, b) => {
        const [x, y] = [value(a, column), value(b, column)];
        return !x || !y ? !x - !y : (ascending ? 1 : -1) * compare(x, y);
      });
      table.tBodies[0].append(...rows);
    });
  });
}

// Filter the rows of a table by what their cells say they are, and by words; the address can ask
// for a filter, as in claims.html?verdict=contradicted.
function filterable(table) {
  const rows = [...table.tBodies[0].rows];
  const facet = (row, name) => row.querySelector(`[data-${name}]`)?.dataset[name];
  const names = ["paper", "verdict", "scope"].filter((name) => rows.some((row) => facet(row, name)));
  if (!names.length) return;
  const form = document.createElement("form");
  form.className = "cxr-filters";
  const count = document.createElement("output");
  const labelled = (name, control) => {
    const label = document.createElement("label");
    label.append(`${name} `, control);
    control.name = name;
    control.value = new URLSearchParams(location.search).get(name) ?? "";
    return label;
  };
  const words = document.createElement("input");
  words.type = "search";
  form.append(...names.map((name) => {
    const select = document.createElement("select");
    select.append(new Option("all", ""));
    const values = [...new Set(rows.map((row) => facet(row, name)))];
    select.append(...values.map((value) => new Option(value)));
    return labelled(name, select);
  }), labelled("words", words), count);
  const filter = () => {
    const wanted = words.value.toLowerCase().split(/\s+/);
    rows.forEach((row) => {
      const text = row.textContent.toLowerCase();
      row.hidden = !(names.every((name) => [facet(row, name), ""].includes(form[name].value))
        && wanted.every((word) => text.includes(word)));
    });
    count.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
  };
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  table.parentElement.before(form);
  filter();
}

document.addEventListener("DOMContentLoaded", () => {
  // The theme's arrows in the list of contents have no words of their own.
  document.querySelectorAll(".bd-sidenav summary").forEach((arrow) => {
    arrow.setAttribute("aria-label", "Pages below this one");
  });
  codeSwitch();
  document.querySelectorAll("table.cxr-sortable").forEach((table) => {
    sortable(table);
    filterable(table);
  });
});
// Paper shows what is folded.
window.addEventListener("beforeprint", () => {
  document.querySelectorAll(".bd-article details").forEach((fold) => { fold.open = true; });
});
