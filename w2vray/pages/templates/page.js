"use strict";
for (const table of document.querySelectorAll("table.data")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, place) => {
    head.querySelector("button").addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") !== "descending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => {
        const cell = row.cells[place];
        return cell.dataset.v === undefined ? cell.textContent.trim() : Number(cell.dataset.v);
      };
      const rows = [...table.tBodies[0].rows];
      rows.sort((one, other) => {
        const [a, b] = [key(one), key(other)];
        const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
        return down ? -order : order;
      });
      table.tBodies[0].append(...rows);
    });
  });
}
for (const button of document.querySelectorAll("button.copy")) {
  button.addEventListener("click", async () => {
    const table = document.getElementById(button.dataset.of);
    const value = (cell) => cell.dataset.v ?? cell.textContent.trim().replace(/\s+/g, " ");
    const lines = [...table.rows].map((row) => [...row.cells].map(value).join("\t")).join("\n");
    try {
      await navigator.clipboard.writeText(lines);
    } catch {
      const area = document.createElement("textarea");
      area.value = lines;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    const before = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = before; }, 1500);
  });
}
for (const frame of document.querySelectorAll(".frame")) {
  const scroll = frame.querySelector(".scroll");
  const more = frame.previousElementSibling;
  const look = () => {
    const right = scroll.scrollWidth - scroll.clientWidth - scroll.scrollLeft > 1;
    const left = scroll.scrollLeft > 1;
    const tall = scroll.scrollHeight - scroll.clientHeight > 1;
    frame.classList.toggle("left", left);
    frame.classList.toggle("right", right);
    const ways = [...(left || right ? ["sideways"] : []), ...(tall ? ["down"] : [])];
    more.textContent = `Scroll ${ways.join(" and ")} to see all of this table.`;
    more.hidden = ways.length === 0;
  };
  scroll.addEventListener("scroll", look, { passive: true });
  new ResizeObserver(look).observe(scroll);
  look();
}
