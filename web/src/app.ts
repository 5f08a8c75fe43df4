// Puts views, wall, tray and the large picture together over one run, wherever its pictures come from.
import { type Column, type Data, SIMILARITY, words } from "./data";
import { Detail } from "./detail";
import { button, choice, counted, h, shown } from "./dom";
import type { Host } from "./host";
import { Pictures, tile } from "./pictures";
import type { Hands } from "./plot";
import { categoryColours, OTHERS, range, State } from "./state";
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
    ...(pictures.has(row, "thumbnail") ? [tile(pictures, row, data.name(row))] : []),
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
    state.listen((change) => (change === "colour" || change === "model" || change === "more") && this.render());
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
      const names = words(column);
      const key = names.map((name, index) => ({ name, colour: colours[index]! })).filter(({ colour }) => colour !== OTHERS || column.kind === "flag");
      if (key.length < names.length) key.push({ name: "others", colour: OTHERS });
      if (column.kind === "flag" && range(column.values, 0, data.count)[1] > 1) key.push({ name: "not known", colour: OTHERS });
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
    const shown = Uint8Array.from(data.header.datasets, (_, index) => Number(!this.hidden.has(index)));
    this.state.filter("datasets", this.hidden.size ? Uint8Array.from(data.dataset.subarray(0, data.count), (dataset) => shown[dataset]!) : null);
  }
}

/** Switches between the models of a study, and between its seeds where it has several. */
function modelChoices(state: State): HTMLElement[] {
  const { models } = state.data;
  if (models.length < 2) return [];
  const seeds = [...new Set(models.map(({ seed }) => seed))];
  const names = [...new Set(models.map(({ name }) => name))];
  let { name, seed } = models[state.model]!;
  const changed = () => {
    // A model that a seed lacks gives way to that seed's first.
    const exact = models.findIndex((model) => model.name === name && model.seed === seed);
    state.choose(exact >= 0 ? exact : models.findIndex((model) => model.seed === seed));
  };
  const model = choice("Model", names.map((each) => [each, each]), name, (value) => ((name = value), changed()));
  const of = choice("Seed", seeds.map((each) => [String(each), String(each)]), String(seed), (value) => ((seed = Number(value)), changed()));
  state.listen((change) => {
    if (change !== "model") return;
    ({ name, seed } = models[state.model]!);
    model.querySelector("select")!.value = name;
    of.querySelector("select")!.value = String(seed);
  });
  return seeds.length > 1 ? [model, of] : [model];
}

/** A field that sorts images by how like a text they are; a sentence where there can be none. */
function searchField(state: State, host: Host, found: () => void): HTMLElement | null {
  const { data } = state;
  const { search } = data.header.asked!;
  if (search !== true) return search ? h("p", { class: "small" }, search) : null;
  const said = h("span", { class: "small", role: "status" });
  const field = h("input", { type: "search", placeholder: "wet road at night" });
  const column = data.column(SIMILARITY)!;
  const seek = async () => {
    const text = field.value.trim();
    if (!text) return;
    said.textContent = "searching …";
    try {
      column.values.set(new Float32Array(await host.ask(`search/${encodeURIComponent(text)}`)));
      said.textContent = "";
      state.grow();
      found();
    } catch (error) {
      said.textContent = (error as Error).message;
    }
  };
  const form = h("form", { class: "choice", role: "search" }, h("label", { class: "choice" }, h("span", {}, "Like the text"), field), h("button", {}, "Search"), said);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void seek();
  });
  return form;
}

/** Gets what the page lacks, once it has been drawn, and says how much is there. */
function completed(state: State, host: Host): HTMLElement {
  const { data } = state;
  const line = h("p", { class: "small", role: "status", hidden: true });
  const say = (end: string) => {
    line.hidden = data.held === 1;
    line.textContent = `${Math.round(data.held * data.rows).toLocaleString("en")} of ${counted(data.rows, "image")} are drawn, taken evenly${end}`;
  };
  const came = () => {
    say("; the others are coming.");
    state.grow();
  };
  say("; the others are coming.");
  const begin = () => void data.complete(host.ask, came).catch(() => say(": howfar explore no longer answers."));
  begin();
  return line;
}

/** What the owner of a page may do to it. */
export interface App {
  state: State;
  /** Takes rows that were collected elsewhere. */
  take(rows: number[]): void;
}

export function build(root: HTMLElement, data: Data, host: Host): App {
  const state = new State(data);
  const pictures = new Pictures(state, host);
  const live = h("p", { class: "unseen", role: "status" });
  const ready = (rows: number[]) => data.ready(rows, host.ask);
  const detail = new Detail(state, pictures, () => wall.rows, ready);
  const hands: Hands = {
    open: (row) => detail.open(row),
    say: (text) => (live.textContent = text),
    ready,
    describe: (row) => describe(data, pictures, row),
  };
  const legend = new Legend(state);
  const plane = data.places.planes.length ? new Plane(state, hands) : null;
  const others = [new Against(state, hands), new Strips(state, hands)];
  const wall = new Wall(state, pictures, hands, () => {
    for (const view of [plane, ...others]) view?.forget();
    legend.reset();
  });
  const tray = new Tray(state, pictures, host, (row) => detail.open(row), ready);
  const colours: [string, string][] = [
    ["dataset", "dataset"],
    ...data.columns.filter(({ name }) => name !== "smoothed").map(({ name, title }): [string, string] => [name, title]),
  ];
  const colour = choice("Colour by", colours, "dataset", (value) => state.colour(value));
  const asks = data.header.asked ? [searchField(state, host, () => wall.sortBy(SIMILARITY)), completed(state, host)] : [];
  const bar = h("div", { class: "controls bar" }, ...modelChoices(state), colour, legend.element, ...asks.filter((each) => each !== null));
  const right = others.map((view) => view.element);
  const views = h("div", { class: "views" }, ...(plane ? [plane.element, h("div", { class: "right" }, ...right)] : right));
  root.replaceChildren(bar, views, wall.element, tray.element, detail.element, live);
  root.hidden = false;
  root.dataset["ready"] = "";
  return { state, take: (rows) => tray.take(rows) };
}
