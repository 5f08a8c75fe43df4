// One image, large: with mask, prediction and their overlap, its numbers, and the images of P that are nearest to it.
import { words } from "./data";
import { button, h, shown, unique } from "./dom";
import { type Look, OVERLAP, overlap, type Pictures, tile } from "./pictures";
import type { State } from "./state";

const NEAREST = 5;

export class Detail {
  readonly element: HTMLDialogElement;
  private row = -1;
  private look: Look = "image";
  private back: Element | null = null;
  private readonly title = h("h3", { id: unique("title") });
  private readonly looks = h("div", { class: "looks", role: "group", "aria-label": "Show" });
  private readonly models = h("div", { class: "looks by-model", role: "group", "aria-label": "Prediction of" });
  private readonly picture = h("div", { class: "picture" });
  private readonly facts = h("div", { class: "side" });
  private readonly collector: HTMLButtonElement;

  constructor(
    private readonly state: State,
    private readonly pictures: Pictures,
    private readonly rows: () => Uint32Array,
    private readonly ready: (rows: number[]) => Promise<void>,
  ) {
    this.collector = button("", () => this.state.collect([this.row], !this.state.collected(this.row)));
    this.element = h(
      "dialog",
      { class: "detail", "aria-labelledby": this.title.id },
      h("div", { class: "head" }, this.title, button("×", () => this.element.close(), { class: "close", "aria-label": "Close" })),
      h("div", { class: "split" }, h("div", { class: "main" }, this.looks, this.models, this.picture), this.facts),
      h(
        "div",
        { class: "foot" },
        button("‹ before", () => this.step(-1)),
        this.collector,
        button("next ›", () => this.step(1)),
      ),
    );
    this.element.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "ArrowLeft") this.step(-1);
      else if (event.key === "ArrowRight") this.step(1);
      else if (event.key === "c" || event.key === "C") this.collector.click();
      else return;
      event.preventDefault();
    });
    this.element.addEventListener("click", (event) => event.target === this.element && this.element.close());
    this.element.addEventListener("close", () => {
      this.state.point(-1);
      // The wall may have been laid anew meanwhile: then the tile of the image that was shown last takes the focus.
      const tile = this.element.parentElement?.querySelector<HTMLElement>(`.tile[data-row="${this.row}"] .open`);
      const back = this.back instanceof HTMLElement && this.back.isConnected ? this.back : tile;
      back?.focus();
    });
    state.listen((change) => {
      if (change === "tray") this.marks();
      else if ((change === "model" || change === "more") && this.element.open) this.render();
    });
  }

  open(row: number): void {
    if (!this.element.open) {
      this.back = document.activeElement;
      this.element.showModal();
    }
    this.row = row;
    this.state.point(row);
    this.render();
    if (this.state.data.header.names) return;
    void this.ready([row])
      .then(() => this.ready(this.state.data.nearest(row)))
      .then(() => this.row === row && this.render());
  }

  private step(by: number): void {
    const rows = this.rows();
    const at = rows.indexOf(this.row);
    const next = rows[at < 0 ? 0 : at + by];
    if (next !== undefined) this.open(next);
  }

  private render(): void {
    const { data } = this.state;
    const { row } = this;
    const looks = this.pictures.looks(row);
    if (!looks.includes(this.look)) this.look = "image";
    this.title.replaceChildren(
      h("span", { class: "dot", style: `background:${data.datasetOf(row).colour}` }),
      h("span", {}, data.name(row)),
      h("span", { class: "of" }, ` ${data.datasetOf(row).name}`),
    );
    this.looks.replaceChildren(
      ...(looks.length > 1 ? looks : []).map((look) =>
        button(look, () => {
          this.look = look;
          this.render();
          this.looks.querySelector<HTMLElement>("[aria-pressed=true]")?.focus();
        }, { "aria-pressed": String(look === this.look) }),
      ),
    );
    this.switch(row);
    void this.paint(row, this.look);
    this.facts.replaceChildren(this.numbers(row), ...this.nearest(row));
    this.marks();
  }

  /** Buttons for the models of the seed that is shown, each with its performance on this image beside it. */
  private switch(row: number): void {
    const { data, model: chosen } = this.state;
    const seed = data.models[chosen]?.seed;
    const beside = data.models.map((model, index) => ({ ...model, index })).filter((model) => model.seed === seed);
    this.models.hidden = beside.length < 2;
    this.models.replaceChildren(
      ...beside.map(({ name, index, performance }) =>
        button(`${name}: F ${shown(performance[row]!)}`, () => {
          this.state.choose(index);
          this.models.querySelector<HTMLElement>("[aria-pressed=true]")?.focus();
        }, { "aria-pressed": String(index === chosen) }),
      ),
    );
  }

  private async paint(row: number, look: Look): Promise<void> {
    const alt = `${look} of ${this.state.data.name(row)}`;
    const { threshold, model } = this.state;
    if (look === "overlap") {
      try {
        const canvas = await overlap(this.pictures, row, threshold);
        if (this.row !== row || this.look !== look || this.state.model !== model) return;
        canvas.setAttribute("role", "img");
        canvas.setAttribute("aria-label", alt);
        const key = (colour: string, text: string) => h("span", {}, h("span", { class: "dot", style: `background:${colour}` }), text);
        this.picture.replaceChildren(
          canvas,
          h("p", { class: "key" }, key(OVERLAP.hit, "in both"), key(OVERLAP.missed, "in the mask alone"), key(OVERLAP.extra, `predicted alone (above ${shown(threshold)})`)),
        );
      } catch {
        this.picture.replaceChildren(h("p", {}, "The overlap cannot be drawn: a picture of it cannot be read."));
      }
      return;
    }
    if (!this.pictures.has(row, look)) {
      this.picture.replaceChildren(h("p", { class: "none" }, this.why()));
      return;
    }
    const image = h("img", { alt });
    image.addEventListener("error", () => this.picture.replaceChildren(h("p", { class: "none" }, "The file cannot be read.")), { once: true });
    this.pictures.show(image, row, look);
    this.picture.replaceChildren(image, ...(this.pictures.full ? [] : [h("p", { class: "small" }, "At the size that this page holds; howfar explore shows it whole.")]));
  }

  private why(): string {
    const { pictured } = this.state.data;
    return pictured
      ? `This page holds pictures of ${pictured.toLocaleString("en")} images, not of this one. howfar explore shows all.`
      : "This page holds no pictures: the run has no files of images that can be read.";
  }

  private numbers(row: number): HTMLElement {
    const { data } = this.state;
    const list = h("table", { class: "facts" });
    for (const column of data.columns) {
      const value = column.values[row]!;
      if (column.name === "smoothed" || column.name.startsWith("estimate_") || Number.isNaN(value)) continue;
      let text = column.kind === "number" ? shown(value) : (words(column)[value] ?? "–");
      if (column.name === "estimate") {
        const low = data.column("estimate_low")?.values[row] ?? Number.NaN;
        const high = data.column("estimate_high")?.values[row] ?? Number.NaN;
        if (!Number.isNaN(low + high)) text += ` [${low.toFixed(2)}, ${high.toFixed(2)}]`;
      }
      list.append(h("tr", {}, h("th", { scope: "row", title: column.about }, column.title), h("td", {}, text)));
    }
    return list;
  }

  /** The images of P that are nearest by all components, or, where the run does not say, in the plane that is drawn. */
  private nearest(row: number): HTMLElement[] {
    const { data } = this.state;
    if (row >= data.count) return [];
    const known = data.nearest(row);
    if (known.length) return this.wallOf(known, `Nearest of ${data.header.title}`);
    const { places } = data;
    const plane = places.planes[0];
    if (!plane) return [];
    const at = places.row.indexOf(row);
    const gaps: [number, number][] = [];
    for (let other = 0; other < places.row.length; other++) {
      const of = places.row[other]!;
      if (of < data.count || places.panel[other] !== places.panel[at]) continue;
      const gap = Math.hypot(plane.x[other]! - plane.x[at]!, plane.y[other]! - plane.y[at]!);
      if (!Number.isNaN(gap)) gaps.push([gap, of]);
    }
    gaps.sort((a, b) => a[0] - b[0]);
    if (!gaps.length) return [];
    return this.wallOf(
      gaps.slice(0, NEAREST).map(([, of]) => of),
      `Nearest of ${data.header.title} in this plane`,
    );
  }

  private wallOf(rows: number[], title: string): HTMLElement[] {
    const { data } = this.state;
    const wall = h("div", { class: "near" });
    for (const of of rows) {
      const open = button("", () => this.open(of), { "aria-label": data.name(of), title: data.name(of) });
      open.append(tile(this.pictures, of, data.name(of)));
      wall.append(open);
    }
    return [h("h4", {}, title), wall];
  }

  private marks(): void {
    const own = this.row >= this.state.data.count;
    this.collector.hidden = own;
    const held = this.state.collected(this.row);
    this.collector.textContent = held ? "✓ collected" : "collect";
    this.collector.setAttribute("aria-pressed", String(held));
  }
}
