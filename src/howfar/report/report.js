"use strict";
// Everything can be read without this: it lets tables be sorted, says which are wider than the page, and opens a folded section that a link names.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const key = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.sort === undefined ? cell.textContent.trim() : Number(cell.dataset.sort);
  };
  const compare = (a, b) => {
    if (typeof a === "number" && typeof b === "number") return a - b;
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return a.localeCompare(b, undefined, { numeric: true });
  };
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].sort((a, b) => compare(key(a, column), key(b, column)) * (down ? -1 : 1));
      body.append(...rows);
    });
  });
}
// Says where a table goes on beyond the edge, which overlaid scroll bars do not show.
const watch = new ResizeObserver((entries) => {
  for (const { target } of entries) target.classList.toggle("overflowing", target.scrollWidth > target.clientWidth + 1);
});
for (const wide of document.querySelectorAll(".wide")) watch.observe(wide);
// A link to a folded section opens it.
const unfold = () => {
  const folded = location.hash && document.querySelector(`section.folded[id="${CSS.escape(location.hash.slice(1))}"] > details`);
  if (!folded) return;
  folded.open = true;
  folded.scrollIntoView();
};
window.addEventListener("hashchange", unfold);
unfold();
