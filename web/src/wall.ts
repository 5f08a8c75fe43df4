// The images that pass, as a wall of small pictures or as a list, in pages.
import { words } from "./data";
import { button, choice, counted, h, shown } from "./dom";
import type { Hands } from "./plot";
import { type Pictures, tile } from "./pictures";
import type { State } from "./state";

const PER_PAGE = window.matchMedia("(max-width: 640px)").matches ? 18 : 48;

export class Wall {
  readonly element: HTMLElement;
  rows = new Uint32Array(0);
  private page = 0;
  private by: string;
  private descending = true;
  private listed = false;
  private waiting = 0;
  /** Whether values by which it is sorted were still to come. */
  private unsorted = false;
  private readonly heading = h("h3", { tabindex: -1 });
  private readonly body = h("div", { class: "wall" });
  private readonly pages = h("div", { class: "pages" });
  private readonly order: HTMLButtonElement;
  private readonly reset: HTMLButtonElement;

  constructor(
    private readonly state: State,
    private readonly pictures: Pictures,
    private readonly hands: Hands,
    private readonly forget: () => void,
  ) {
    this.by = "distance";
    const sorts: [string, string][] = [
      ...state.data.columns.filter(({ name }) => name !== "smoothed").map(({ name, title }): [string, string] => [name, title]),
      ...(state.data.header.names ? [["image", "name"] as [string, string]] : []),
      ["", "order of the run"],
    ];
    this.order = button("highest first", () => {
      this.descending = !this.descending;
      this.first();
    });
    this.reset = button("Show all", () => this.forget(), { class: "quiet" });
    const look = (listed: boolean, text: string) =>
      button(text, () => {
        this.listed = listed;
        for (const [index, each] of looks.entries()) each.setAttribute("aria-pressed", String((index === 1) === listed));
        this.render();
      }, { "aria-pressed": String(!listed) });
    const looks = [look(false, "pictures"), look(true, "list")];
    const collect = button("Collect this page", () => state.collect(this.shownRows, true));
    const controls = h(
      "div",
      { class: "controls" },
      choice("Sort by", sorts, this.by, (value) => ((this.by = value), this.first())),
      this.order,
      h("span", { class: "pair-of", role: "group", "aria-label": "Show as" }, ...looks),
      collect,
      this.reset,
    );
    this.element = h("section", { class: "view view-wall", "aria-label": "Images" }, this.heading, controls, this.body, this.pages);
    state.listen((change) => {
      if (change === "filter") {
        window.clearTimeout(this.waiting);
        this.count();
        this.waiting = window.setTimeout(() => this.first(), 120);
      } else if (change === "tray") this.marks();
      else if (change === "model" || (change === "more" && this.unsorted)) {
        this.sort();
        this.render();
      }
    });
    this.first();
  }

  private get shownRows(): number[] {
    return [...this.rows.subarray(this.page * PER_PAGE, (this.page + 1) * PER_PAGE)];
  }

  private sort(): void {
    const column = this.state.data.column(this.by);
    this.unsorted = column !== undefined && this.state.data.coming(column);
    this.rows = this.state.ordered(this.by, this.descending);
  }

  /** Shows images by a column, its highest values first. */
  sortBy(name: string): void {
    this.by = name;
    this.descending = true;
    this.element.querySelector("select")!.value = name;
    this.first();
  }

  private first(): void {
    this.page = 0;
    this.order.textContent = this.descending ? "highest first" : "lowest first";
    this.sort();
    this.count();
    this.render();
  }

  private count(): void {
    const { passing, data } = this.state;
    const all = counted(data.count, "image");
    this.heading.textContent = this.state.filtered ? `${passing.toLocaleString("en")} of ${all}` : all;
    this.reset.hidden = !this.state.filtered;
  }

  private render(): void {
    const { shownRows } = this;
    void this.hands.ready(shownRows).then(() => String(shownRows) === String(this.shownRows) && this.show(shownRows));
  }

  private show(shownRows: number[]): void {
    this.body.className = this.listed ? "wide list" : "wall";
    this.body.replaceChildren(...(this.listed ? [this.table(shownRows)] : shownRows.map((row) => this.picture(row))));
    if (!shownRows.length) this.body.replaceChildren(h("p", {}, "No image passes all filters."));
    const last = Math.max(0, Math.ceil(this.rows.length / PER_PAGE) - 1);
    const turn = (text: string, page: number) =>
      button(text, () => {
        this.page = page;
        this.render();
        this.heading.focus({ preventScroll: true });
        this.element.scrollIntoView({ block: "start" });
      }, { ...(page < 0 || page > last ? { disabled: true } : {}) });
    const from = this.page * PER_PAGE;
    const where = `${from + 1}–${Math.min(from + PER_PAGE, this.rows.length)} of ${this.rows.length.toLocaleString("en")}`;
    this.pages.replaceChildren(...(last ? [turn("‹ before", this.page - 1), h("span", {}, where), turn("next ›", this.page + 1)] : []));
    this.marks();
  }

  private value(row: number, by = this.by): string {
    const column = this.state.data.column(by);
    if (!column) return "";
    const value = column.values[row]!;
    if (column.kind === "number") return shown(value);
    return words(column)[value] ?? "–";
  }

  private picture(row: number): HTMLElement {
    const { data } = this.state;
    const name = data.name(row);
    const { name: dataset, colour } = data.datasetOf(row);
    const listed = data.column("listed")?.values[row] === 1;
    const open = button("", () => this.hands.open(row), {
      class: "open",
      pointerenter: () => this.state.point(row),
      pointerleave: () => this.state.point(-1),
    });
    open.append(
      h("span", { class: "frame" }, tile(this.pictures, row, name)),
      h(
        "span",
        { class: "words" },
        h("span", { class: "dot", style: `background:${colour}` }),
        h("span", { class: "file", title: name }, name),
        h("span", { class: "unseen" }, ` ${dataset} `),
        h("span", { class: "value" }, this.value(row)),
      ),
      ...(listed ? [h("span", { class: "flagged", title: "listed as a probable failure" }, "probable failure")] : []),
    );
    return h("div", { class: "tile", "data-row": row }, open, this.collector(row));
  }

  private collector(row: number): HTMLButtonElement {
    return button("+", () => this.state.collect([row], !this.state.collected(row)), {
      class: "collect",
      "data-collect": row,
      "aria-label": `Collect ${this.state.data.name(row)}`,
    });
  }

  private table(rows: number[]): HTMLElement {
    const { data } = this.state;
    const columns = data.columns.filter(({ name }) => name !== "smoothed" && !name.startsWith("estimate_"));
    const head = h("tr", {}, h("th", { scope: "col" }, "image"), h("th", { scope: "col" }, "dataset"));
    for (const column of columns) {
      const sorted = column.name === this.by;
      const sorter = button(column.title, () => {
        this.descending = sorted ? !this.descending : true;
        this.by = column.name;
        const select = this.element.querySelector("select");
        if (select) select.value = column.name;
        this.first();
      });
      head.append(h("th", { scope: "col", ...(sorted ? { "aria-sort": this.descending ? "descending" : "ascending" } : {}) }, sorter));
    }
    head.append(h("th", { scope: "col" }, "collect"));
    const body = h("tbody");
    for (const row of rows) {
      const { name, colour } = data.datasetOf(row);
      const open = button(data.name(row), () => this.hands.open(row), { class: "link" });
      const line = h("tr", {}, h("th", { scope: "row" }, open));
      line.append(h("td", { class: "text" }, h("span", { class: "dot", style: `background:${colour}` }), name));
      for (const column of columns) line.append(h("td", {}, this.value(row, column.name)));
      line.append(h("td", {}, this.collector(row)));
      body.append(line);
    }
    return h("table", {}, h("caption", { class: "unseen" }, "Images that pass"), h("thead", {}, head), body);
  }

  private marks(): void {
    for (const each of this.body.querySelectorAll<HTMLButtonElement>("[data-collect]")) {
      const held = this.state.collected(Number(each.dataset["collect"]));
      each.setAttribute("aria-pressed", String(held));
      each.textContent = held ? "✓" : "+";
    }
  }
}
