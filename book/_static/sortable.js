// Let a reader sort a table by any column; without scripts the table stays as it is.
document.addEventListener("DOMContentLoaded", () => {
  const value = (row, column) => row.cells[column].innerText.trim();
  const compare = (a, b) => {
    const [x, y] = [a, b].map((text) => parseFloat(text.replace(/,/g, "")));
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
  };
  document.querySelectorAll("table.cxr-sortable").forEach((table) => {
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
        const rows = [...table.tBodies[0].rows].sort(
          (a, b) => (ascending ? 1 : -1) * compare(value(a, column), value(b, column))
        );
        table.tBodies[0].append(...rows);
      });
    });
  });
});
