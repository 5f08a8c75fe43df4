// The three views of points: the plane of two components, one number against another, and a number by dataset.
import { choice, counted, shown } from "./dom";
import { ticks } from "./geometry";
import { Plot, type Hands, type Painter, type Scene } from "./plot";
import { range, type State } from "./state";

const PAD = 10;
const TITLE = 20;

/** A plane of all images, by components or by another map: a panel for each secondary dataset where each pair has a subspace of its own. */
export class Plane extends Plot {
  private focus = -1;
  private chosen = 0;
  private cells: { left: number; bottom: number; width: number; height: number; name: string }[] = [];

  constructor(state: State, hands: Hands) {
    const { planes } = state.data.places;
    super(state, hands, "plane", planes.length > 1 ? "Map" : planes[0]!.title, "lasso", { left: 1, right: 1, top: 1, bottom: 1 });
    const { panels } = state.data.header;
    if (planes.length > 1) {
      const options = planes.map(({ title }, index): [string, string] => [String(index), title]);
      this.controls.append(
        choice("By", options, "0", (value) => {
          this.chosen = Number(value);
          this.forget();
          this.lay();
          this.words();
          this.render();
        }),
      );
    }
    if (panels.length > 1) {
      const options: [string, string][] = [["-1", "all datasets, a panel each"], ...panels.map((name, index): [string, string] => [String(index), name])];
      this.controls.append(
        choice("Show", options, "-1", (value) => {
          this.focus = Number(value);
          this.forget();
          this.lay();
          this.render();
        }),
      );
    }
    this.words();
  }

  private words(): void {
    const { panels } = this.state.data.header;
    const { about } = this.state.data.places.planes[this.chosen]!;
    const own = panels[0] === "" ? "" : " Each panel is a subspace of its own, fitted on P and that dataset: places in two panels cannot be compared.";
    this.note.textContent = `P grey.${own} ${about}`;
  }

  protected arrange(width: number, height: number): Scene {
    const { places, header } = this.state.data;
    const plane = places.planes[this.chosen]!;
    const shownPanels = this.focus < 0 ? header.panels.map((_, index) => index) : [this.focus];
    const columns = columnsFor(shownPanels.length, width, height);
    const lines = Math.ceil(shownPanels.length / columns);
    const [across, up] = [width / columns, height / lines];
    const x = new Float32Array(plane.x.length).fill(Number.NaN);
    const y = new Float32Array(plane.y.length).fill(Number.NaN);
    this.cells = [];
    const shift: { scale: number; x: number; y: number }[] = [];
    shownPanels.forEach((panel, index) => {
      const [x0, x1, y0, y1] = plane.bounds[panel]!;
      const left = (index % columns) * across;
      const bottom = height - (Math.floor(index / columns) + 1) * up;
      const name = header.panels[panel]!;
      const head = name ? TITLE : 0;
      const scale = Math.min((across - 2 * PAD) / (x1 - x0 || 1), (up - 2 * PAD - head) / (y1 - y0 || 1));
      shift[panel] = {
        scale,
        x: left + across / 2 - (scale * (x0 + x1)) / 2,
        y: bottom + (up - head) / 2 - (scale * (y0 + y1)) / 2,
      };
      this.cells.push({ left, bottom, width: across, height: up, name });
    });
    for (let at = 0; at < x.length; at++) {
      const to = shift[places.panel[at]!];
      if (!to) continue;
      x[at] = to.x + to.scale * plane.x[at]!;
      y[at] = to.y + to.scale * plane.y[at]!;
    }
    return { x, y, row: places.row, whole: [0, width, 0, height] };
  }

  protected override lines() {
    return {
      x: [...new Set(this.cells.map((cell) => cell.left).filter((at) => at > 0))],
      y: [...new Set(this.cells.map((cell) => cell.bottom).filter((at) => at > 0))],
    };
  }

  protected frame(painter: Painter): void {
    const { context, inner } = painter;
    context.strokeStyle = painter.grid;
    context.strokeRect(inner.left - 0.5, inner.top - 0.5, inner.width + 1, inner.height + 1);
  }

  /** Names the axes along the lower and the left edge. */
  private axes(painter: Painter): void {
    const { context, inner } = painter;
    const [across, up] = this.state.data.places.planes[this.chosen]!.axes;
    context.textBaseline = "bottom";
    context.textAlign = "right";
    label(painter, `${across} →`, inner.left + inner.width - 6, inner.top + inner.height - 4, painter.muted);
    context.save();
    context.translate(inner.left + 4, inner.top + inner.height - 26);
    context.rotate(-Math.PI / 2);
    context.textAlign = "left";
    context.textBaseline = "top";
    label(painter, `${up} →`, 0, 0, painter.muted);
    context.restore();
  }

  protected override over(painter: Painter): void {
    const { context } = painter;
    context.textAlign = "left";
    this.axes(painter);
    context.textAlign = "left";
    context.textBaseline = "top";
    context.font = `600 ${context.font}`;
    for (const cell of this.cells) {
      if (!cell.name) continue;
      const [x, y] = painter.at(cell.left, cell.bottom + cell.height);
      label(painter, fitted(context, cell.name, cell.width - 20), x + 8, y + 7);
    }
  }
}

function columnsFor(panels: number, width: number, height: number): number {
  let best = 1;
  let largest = 0;
  for (let columns = 1; columns <= panels; columns++) {
    const side = Math.min(width / columns, height / Math.ceil(panels / columns));
    if (side > largest) [largest, best] = [side, columns];
  }
  return best;
}

function label(painter: Painter, text: string, x: number, y: number, colour = painter.ink): void {
  const { context } = painter;
  context.lineJoin = "round";
  context.lineWidth = 4;
  context.strokeStyle = painter.paper;
  context.strokeText(text, x, y);
  context.fillStyle = colour;
  context.fillText(text, x, y);
}

/** Shortens a text in its middle until it is no wider than so many pixels. */
export function fitted(context: CanvasRenderingContext2D, text: string, width: number): string {
  if (context.measureText(text).width <= width) return text;
  for (let kept = text.length - 1; kept > 2; kept--) {
    const short = `${text.slice(0, Math.ceil(kept / 2))}…${text.slice(text.length - Math.floor(kept / 2))}`;
    if (context.measureText(short).width <= width) return short;
  }
  return "…";
}

function numbers(state: State): [string, string][] {
  return state.data.columns.filter(({ kind, name }) => kind === "number" && name !== "smoothed").map(({ name, title }) => [name, title]);
}

function padded([low, high]: [number, number]): [number, number] {
  const gap = (high - low || Math.abs(high) || 1) * 0.04;
  return [low - gap, high + gap];
}

/** One number against another, at first performance against distance, with the curve of each dataset. */
export class Against extends Plot {
  private horizontal = "distance";
  private vertical: string;
  private spans: [[number, number], [number, number]] = [[0, 1], [0, 1]];
  private curves: number[][] = [];

  constructor(state: State, hands: Hands) {
    const first = ["performance", "estimate", "knn"].find((name) => state.data.column(name)) ?? "distance";
    const title = first === "knn" ? "Two distances" : "Performance against distance";
    super(state, hands, "against", title, "box", { left: 46, right: 8, top: 8, bottom: 36 });
    this.vertical = first;
    const changed = () => {
      this.forget();
      this.lay();
      this.words();
      this.render();
    };
    this.controls.append(
      choice("Up", numbers(state), this.vertical, (value) => ((this.vertical = value), changed())),
      choice("Across", numbers(state), this.horizontal, (value) => ((this.horizontal = value), changed())),
    );
    state.listen((change) => {
      if (change === "model") changed();
      else if (change === "more") this.words();
    });
    this.words();
  }

  private get curved(): boolean {
    return this.horizontal === "distance" && this.vertical === "performance" && this.state.data.column("smoothed") !== undefined;
  }

  private words(): void {
    const { data } = this.state;
    const up = data.column(this.vertical)!;
    const across = data.column(this.horizontal)!;
    let known = 0;
    for (let row = 0; row < data.count; row++) known += Number(!Number.isNaN(up.values[row]! + across.values[row]!));
    const lacking = known < data.count && !data.coming(up) && !data.coming(across) ? ` ${counted(data.count - known, "image")} without one of the two: not shown.` : "";
    this.note.textContent = `${up.about ? `${up.title}: ${up.about}. ` : ""}${this.curved ? "Lines: moving average of each dataset." : ""}${lacking}`.trim();
  }

  protected arrange(): Scene {
    const { data } = this.state;
    const x = data.column(this.horizontal)!.values.subarray(0, data.count);
    const y = data.column(this.vertical)!.values.subarray(0, data.count);
    const both = (values: Float32Array, other: Float32Array) => values.map((value, row) => (Number.isNaN(other[row]!) ? Number.NaN : value));
    this.spans = [padded(range(both(x, y))), padded(range(both(y, x)))];
    this.curves = this.curved ? curves(this.state) : [];
    return { x, y, row: data.everyRow.subarray(0, data.count), whole: [...this.spans[0], ...this.spans[1]] };
  }

  protected override lines() {
    const [across, up] = this.spans;
    return { x: ticks(...across, this.inner.width / 90), y: ticks(...up, this.inner.height / 55) };
  }

  protected frame(painter: Painter): void {
    axes(painter, this.lines(), this.state.data.column(this.horizontal)!.title, this.state.data.column(this.vertical)!.title);
  }

  protected override over(painter: Painter): void {
    if (!this.curved) return;
    const { data } = this.state;
    const smoothed = data.column("smoothed")!.values;
    const distance = data.column("distance")!.values;
    const { context } = painter;
    this.curves.forEach((rows, index) => {
      // The curve of a dataset that is filtered out steps back with its points.
      context.globalAlpha = rows.some((row) => this.state.pass[row]) ? 1 : 0.25;
      context.beginPath();
      rows.forEach((row, at) => {
        const place = painter.at(distance[row]!, smoothed[row]!);
        if (at) context.lineTo(...place);
        else context.moveTo(...place);
      });
      context.lineJoin = "round";
      context.strokeStyle = painter.paper;
      context.lineWidth = 4.5;
      context.stroke();
      context.strokeStyle = data.header.datasets[index]!.colour;
      context.lineWidth = 2.2;
      context.stroke();
    });
    painter.context.globalAlpha = 1;
  }
}

const MOST_OF_CURVE = 400;

/** The rows of each dataset that a curve goes through, by distance; of many, evenly spaced ones. */
function curves(state: State): number[][] {
  const { data } = state;
  const smoothed = data.column("smoothed")!.values;
  const distance = data.column("distance")!.values;
  return data.header.datasets.map((_, index) => {
    const rows: number[] = [];
    for (let row = 0; row < data.count; row++) if (data.dataset[row] === index && !Number.isNaN(smoothed[row]!)) rows.push(row);
    rows.sort((a, b) => distance[a]! - distance[b]!);
    const step = Math.ceil(rows.length / MOST_OF_CURVE);
    return rows.filter((_, at) => at % step === 0 || at === rows.length - 1);
  });
}

function axes(painter: Painter, at: { x: number[]; y: number[] }, across: string, up: string): void {
  const { context, inner } = painter;
  const bottom = inner.top + inner.height;
  const right = inner.left + inner.width;
  context.strokeStyle = painter.muted;
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(inner.left - 0.5, inner.top);
  context.lineTo(inner.left - 0.5, bottom + 0.5);
  context.lineTo(right, bottom + 0.5);
  context.stroke();
  context.fillStyle = painter.muted;
  context.textBaseline = "top";
  context.textAlign = "center";
  for (const x of at.x) {
    const [place] = painter.at(x, 0);
    if (place >= inner.left - 1 && place <= right + 1) context.fillText(shown(x), place, bottom + 5);
  }
  context.textBaseline = "middle";
  context.textAlign = "right";
  for (const y of at.y) {
    const place = painter.at(0, y)[1];
    if (place >= inner.top - 1 && place <= bottom + 1) context.fillText(shown(y), inner.left - 6, place);
  }
  context.fillStyle = painter.ink;
  context.textBaseline = "bottom";
  context.fillText(fitted(context, across, inner.width), right, bottom + 35);
  if (!up) return;
  context.save();
  context.translate(2, inner.top);
  context.rotate(-Math.PI / 2);
  context.textAlign = "right";
  context.textBaseline = "top";
  context.fillText(fitted(context, up, inner.height), 0, 0);
  context.restore();
}

const STRIP = 46;
/** Parts of the range by which quartiles are counted: finer than a pixel, and quick for any number of images. */
const BINS = 4096;

/** One number of all images, a strip for each dataset, the primary's first where it has the number. */
export class Strips extends Plot {
  private by = "distance";
  private span: [number, number] = [0, 1];
  private found: ([number, number, number] | null)[] = [];
  private strips: { name: string; dataset: number; middle: number }[] = [];

  constructor(state: State, hands: Hands) {
    super(state, hands, "strips", "By dataset", "range", { left: 10, right: 10, top: 4, bottom: 36 });
    this.controls.append(
      choice("Number", numbers(state), this.by, (value) => {
        this.by = value;
        this.forget();
        this.lay();
        this.render();
      }),
    );
    state.listen((change) => {
      if (change !== "model") return;
      this.forget();
      this.lay();
    });
    this.note.textContent = "Bars: the middle half of the images that pass, and their median.";
    this.list();
    this.stage.style.height = `${this.strips.length * STRIP + 44}px`;
  }

  private list(): void {
    const { datasets } = this.state.data.header;
    const present = new Set(this.state.data.dataset);
    const order = [datasets.length - 1, ...datasets.keys()].slice(0, datasets.length).filter((dataset) => present.has(dataset));
    this.strips = order.map((dataset, at) => ({
      name: datasets[dataset]!.name,
      dataset,
      middle: order.length - at - 0.64,
    }));
  }

  protected arrange(): Scene {
    const { data } = this.state;
    const { values } = data.column(this.by)!;
    const middle = new Float32Array(this.strips.length);
    for (const strip of this.strips) middle[strip.dataset] = strip.middle;
    this.span = padded(range(values));
    const y = new Float32Array(data.rows);
    for (let row = 0; row < y.length; row++) y[row] = middle[data.dataset[row]!]! + 0.46 * (scatter(row) - 0.5);
    return { x: values, y, row: data.everyRow, whole: [...this.span, 0, this.strips.length] };
  }

  protected override lines() {
    return { x: ticks(...this.span, this.inner.width / 90), y: [] };
  }

  protected frame(painter: Painter): void {
    this.found = this.quartiles();
    axes(painter, this.lines(), this.state.data.column(this.by)!.title, "");
  }

  /** The quartiles of each dataset over the images that pass, all of them for the primary; null where none has a value. */
  private quartiles(): ([number, number, number] | null)[] {
    const { data, pass } = this.state;
    const { values } = data.column(this.by)!;
    const [low, high] = this.span;
    const datasets = data.header.datasets.length;
    const counts = new Uint32Array(datasets * BINS);
    const totals = new Uint32Array(datasets);
    const scale = BINS / (high - low);
    for (let row = 0; row < data.rows; row++) {
      const value = values[row]!;
      if (Number.isNaN(value) || (row < data.count && !pass[row])) continue;
      const dataset = data.dataset[row]!;
      counts[dataset * BINS + Math.min(BINS - 1, Math.floor((value - low) * scale))]!++;
      totals[dataset]!++;
    }
    return Array.from(totals, (total, dataset) => {
      const at = (share: number) => low + (high - low) * quantile(counts, dataset * BINS, total, share);
      return total ? [at(0.25), at(0.5), at(0.75)] : null;
    });
  }

  protected override over(painter: Painter): void {
    const { context, inner } = painter;
    context.textBaseline = "top";
    context.font = `600 ${context.font}`;
    for (const { name, dataset, middle } of this.strips) {
      const top = painter.at(0, middle + 0.64)[1];
      const found = this.found[dataset];
      label(painter, fitted(context, name, inner.width - 8), inner.left + 2, top + 1, found ? painter.ink : painter.muted);
      if (!found) continue;
      const [low, y] = painter.at(found[0], middle);
      const [median] = painter.at(found[1], middle);
      const [high] = painter.at(found[2], middle);
      context.strokeStyle = painter.ink;
      context.lineWidth = 2;
      context.beginPath();
      context.moveTo(low, y);
      context.lineTo(high, y);
      context.stroke();
      context.fillStyle = painter.ink;
      context.fillRect(median - 2, y - 8, 4, 16);
      context.strokeStyle = painter.paper;
      context.lineWidth = 1;
      context.strokeRect(median - 2.5, y - 8.5, 5, 17);
    }
  }
}

/** The value below which a share of the counted ones lies, and no more than a bin's width aside. */
function quantile(counts: Uint32Array, from: number, total: number, share: number): number {
  const rank = Math.min(total - 1, Math.floor(share * total));
  let before = 0;
  for (let bin = 0; bin < BINS; bin++) {
    before += counts[from + bin]!;
    if (before > rank) return (bin + 0.5) / BINS;
  }
  return 1;
}

/** A number from 0 to 1 for each row, the same each time. */
function scatter(row: number): number {
  let mixed = Math.imul(row + 1, 0x9e3779b1);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x85ebca6b);
  return ((mixed ^ (mixed >>> 13)) >>> 0) / 4294967296;
}
