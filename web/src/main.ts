// Brings the page's interactive part to life; where that fails the still figures of the page stand for it.
import { bytesOf, type Column, type Data, read } from "./data";
import { Detail } from "./detail";
import { button, choice, h, shown } from "./dom";
import { Pictures, tile } from "./pictures";
import type { Hands } from "./plot";
import { categoryColours, range, State } from "./state";
import { Tray } from "./tray";
import { Against, Plane, Strips } from "./views";
import { Wall } from "./wall";

function describe(data: Data, pictures: Pictures, row: number): HTMLElement {
  const { name, colour } = data.datasetOf(row);
  const fact = (column: string) => {
    const found = data.column(column);
    const value = found?.values[row] ?? Number.NaN;
    return found && !Number.isNaN(value) ? h("span", {}, `${found.title} ${shown(value)}`) : null;
  };
  return h(
    "div",
    {},
    ...(pictures.thumbnail(row) ? [tile(pictures, row, data.name(row))] : []),
    h("span", { class: "file" }, data.name(row)),
    h("span", {}, h("span", { class: "dot", style: `background:${colour}` }), name),
    fact("distance"),
    fact("performance"),
    fact("estimate"),
  );
}

/** Switches that show and hide datasets, and what the colours mean. */
class Legend {
  readonly element = h("div", { class: "legend" });
  private readonly hidden = new Set<number>();

  constructor(private readonly state: State) {
    state.listen((change) => change === "colour" && this.render());
    this.render();
  }

  reset(): void {
    this.hidden.clear();
    this.apply();
    this.render();
  }

  private render(): void {
    const { data, colourBy } = this.state;
    const column = data.column(colourBy);
    const plain = column !== undefined;
    const chips = data.header.datasets.slice(0, -1).map(({ name, colour }, index) => this.chip(name, plain ? "" : colour, index));
    this.element.replaceChildren(h("span", { class: "chips", role: "group", "aria-label": "Show datasets" }, ...chips));
    if (column?.kind === "number") this.element.append(this.bar(column));
    else if (column) {
      const colours = categoryColours(column, data);
      const names = column.kind === "flag" ? ["no", "yes"] : column.categories;
      const key = names.map((name, index) => ({ name, colour: colours[index]! })).filter(({ colour }) => colour !== "#9aa3ad" || column.kind === "flag");
      if (key.length < names.length) key.push({ name: "others", colour: "#9aa3ad" });
      this.element.append(
        ...key.map(({ name, colour }) => h("span", { class: "entry" }, h("span", { class: "dot", style: `background:${colour}` }), name)),
      );
    }
  }

  private chip(name: string, colour: string, index: number): HTMLElement {
    const chip = button("", () => {
      if (!this.hidden.delete(index)) this.hidden.add(index);
      chip.setAttribute("aria-pressed", String(!this.hidden.has(index)));
      this.apply();
    }, { class: "chip", "aria-pressed": String(!this.hidden.has(index)) });
    if (colour) chip.append(h("span", { class: "dot", style: `background:${colour}` }));
    chip.append(name);
    return chip;
  }

  private bar(column: Column): HTMLElement {
    const [low, high] = range(column.values);
    const ramp = h("span", { class: "ramp", style: `background:linear-gradient(to right,${this.state.data.header.ramp.join(",")})` });
    return h("span", { class: "entry" }, shown(low), ramp, shown(high));
  }

  private apply(): void {
    const { data } = this.state;
    const mask = this.hidden.size ? Uint8Array.from({ length: data.count }, (_, row) => Number(!this.hidden.has(data.dataset[row]!))) : null;
    this.state.filter("datasets", mask);
  }
}

function build(root: HTMLElement, data: Data): void {
  const state = new State(data);
  const pictures = new Pictures(data);
  const live = h("p", { class: "unseen", role: "status" });
  const detail = new Detail(state, pictures, () => wall.rows);
  const hands: Hands = {
    open: (row) => detail.open(row),
    say: (text) => (live.textContent = text),
    describe: (row) => describe(data, pictures, row),
  };
  const legend = new Legend(state);
  const views = [new Plane(state, hands), new Against(state, hands), new Strips(state, hands)];
  const wall = new Wall(state, pictures, hands, () => {
    for (const view of views) view.forget();
    legend.reset();
  });
  const tray = new Tray(state, pictures, (row) => detail.open(row));
  const colours: [string, string][] = [
    ["dataset", "dataset"],
    ...data.columns.filter(({ name }) => name !== "smoothed").map(({ name, title }): [string, string] => [name, title]),
  ];
  const bar = h("div", { class: "controls bar" }, choice("Colour by", colours, "dataset", (value) => state.colour(value)), legend.element);
  const [plane, against, strips] = views.map((view) => view.element);
  root.replaceChildren(bar, h("div", { class: "views" }, plane!, h("div", { class: "right" }, against!, strips!)), wall.element, tray.element, detail.element, live);
  root.hidden = false;
  root.dataset["ready"] = "";
}

async function begin(): Promise<void> {
  const root = document.getElementById("explore-app");
  const still = document.getElementById("explore-still");
  if (!root) return;
  try {
    const embedded = document.getElementById("explore-data");
    const block = embedded ? bytesOf(embedded.textContent ?? "") : new Uint8Array(await (await fetch("data")).arrayBuffer());
    build(root, await read(block));
    if (still) still.hidden = true;
  } catch (error) {
    if (still) still.textContent = `This part of the page does not work in this browser (${String(error)}): the figures below show the same, still.`;
  }
}

void begin();
