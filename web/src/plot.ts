// A plane of points that can be pointed at, brushed, zoomed and walked over by keys. Views say where their points lie.
import { button, counted, h, unique } from "./dom";
import { Polygon, radiusOf, stride } from "./geometry";
import { Raster } from "./raster";
import { isDark, packed, type State } from "./state";

export type Brush = "lasso" | "box" | "range";
type Point = [x: number, y: number];

export interface Margin {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/** Where points lie, in units of the view's own. */
export interface Scene {
  x: Float32Array;
  y: Float32Array;
  row: Uint32Array;
  /** What is seen when nothing is zoomed: left, right, bottom, top. */
  whole: [number, number, number, number];
}

export interface Painter {
  context: CanvasRenderingContext2D;
  ink: string;
  muted: string;
  grid: string;
  paper: string;
  dark: boolean;
  /** From the view's units to pixels of the page within the stage. */
  at(x: number, y: number): Point;
  inner: { left: number; top: number; width: number; height: number };
}

export interface Hands {
  open(row: number): void;
  say(text: string): void;
  /** Gets what is to be said of rows. */
  ready(rows: number[]): Promise<void>;
  describe(row: number): HTMLElement;
}

/** Points in sight up to which each is a dot; of more their density is drawn. */
const DOTS = 100_000;
/** Points of which a density is drawn while something moves; of more, every second, third … */
const ROUGH = 400_000;
const REACH = 14;
const HELP =
  "Arrow keys move a cross, with Shift farther. Space begins a selection at the cross and ends it. Enter opens the nearest image, " +
  "C collects it. Plus, minus and 0 zoom. Escape clears the selection.";

export abstract class Plot {
  readonly element: HTMLElement;
  protected readonly stage: HTMLDivElement;
  protected scene: Scene;
  protected readonly controls = h("div", { class: "controls" });
  protected readonly note = h("p", { class: "small" });
  private readonly canvases: [HTMLCanvasElement, HTMLCanvasElement, HTMLCanvasElement];
  private readonly contexts: [CanvasRenderingContext2D, CanvasRenderingContext2D, CanvasRenderingContext2D];
  private readonly raster: Raster;
  private readonly tip = h("div", { class: "tip", hidden: true });
  private readonly clear: HTMLButtonElement;
  private window: [number, number, number, number];
  private width = 1;
  private height = 1;
  private ratio = 1;
  private waiting = false;
  /** Whether the points are to be drawn again, and not only what lies over them. */
  private stale = true;
  private dense = false;
  private rough = false;
  private screenX = new Float32Array(0);
  private screenY = new Float32Array(0);
  private screenRow = new Uint32Array(0);
  private screenPixel = new Int32Array(0);
  /** Points of the primary's images, those that are filtered out, those that pass, and both of these. */
  private parts = Array.from({ length: 4 }, () => new Uint32Array(0)) as [Uint32Array, Uint32Array, Uint32Array, Uint32Array];
  private own = 0;
  private others = 0;
  private shape: Point[] = [];
  private tipped = -1;
  private drag: { from: Point; last: Point; kind: "brush" | "pan"; moved: boolean } | null = null;
  private cross: Point | null = null;
  private held: Point | null = null;
  private pen = window.matchMedia("(pointer: fine)").matches;

  constructor(
    protected readonly state: State,
    protected readonly hands: Hands,
    readonly id: string,
    title: string,
    protected readonly brush: Brush,
    protected readonly margin: Margin,
  ) {
    this.canvases = [h("canvas"), h("canvas", { class: "points" }), h("canvas")];
    // The points are made by the processor, so their canvas is best kept in its memory.
    this.contexts = this.canvases.map((canvas, at) => canvas.getContext("2d", { willReadFrequently: at === 1 })!) as typeof this.contexts;
    this.raster = new Raster(this.contexts[1]);
    this.clear = button("Clear selection", () => this.forget(), { class: "quiet", hidden: true });
    const help = h("p", { id: unique(`${id}-help`), class: "unseen" }, HELP);
    this.stage = h(
      "div",
      { class: "stage", tabindex: 0, role: "application", "aria-label": title, "aria-describedby": help.id },
      ...this.canvases,
      this.tip,
    );
    const zoom = h(
      "span",
      { class: "zoom" },
      button("+", () => this.zoom(0.6), { "aria-label": `Zoom in: ${title}` }),
      button("−", () => this.zoom(1 / 0.6), { "aria-label": `Zoom out: ${title}` }),
      button("whole", () => this.zoom(0), { "aria-label": `Show the whole: ${title}` }),
    );
    const pen = button("select by drawing", () => {
      this.pen = !this.pen;
      pen.setAttribute("aria-pressed", String(this.pen));
      this.stage.classList.toggle("pen", this.pen);
    }, { class: "pen", "aria-pressed": String(this.pen) });
    this.stage.classList.toggle("pen", this.pen);
    this.element = h(
      "section",
      { class: `view view-${id}`, "aria-label": title },
      h("h3", {}, title),
      this.controls,
      this.stage,
      h("div", { class: "under" }, zoom, pen, this.clear),
      this.note,
      help,
    );
    this.scene = { x: new Float32Array(0), y: new Float32Array(0), row: new Uint32Array(0), whole: [0, 1, 0, 1] };
    this.window = this.scene.whole;
    this.listen();
  }

  protected abstract arrange(width: number, height: number): Scene;
  protected abstract frame(painter: Painter): void;
  protected over(_: Painter): void {}
  /** Lines of the plane behind the points: places in its units. */
  protected lines(): { x: number[]; y: number[] } {
    return { x: [], y: [] };
  }

  /** Asks for the places of the points anew, and shows all of them. */
  lay(): void {
    const { left, right, top, bottom } = this.margin;
    this.scene = this.arrange(Math.max(1, this.width - left - right), Math.max(1, this.height - top - bottom));
    this.window = this.scene.whole;
    this.place();
  }

  /** Draws in the next frame: the points too, or only what lies over them. */
  render(points = true): void {
    this.stale ||= points;
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.draw();
    });
  }

  forget(): void {
    this.shape = [];
    this.held = null;
    this.state.filter(this.id, null);
    this.render(false);
  }

  protected get inner() {
    const { left, right, top, bottom } = this.margin;
    return { left, top, width: Math.max(1, this.width - left - right), height: Math.max(1, this.height - top - bottom) };
  }

  private listen(): void {
    new ResizeObserver(() => this.resize()).observe(this.stage);
    const { stage } = this;
    stage.addEventListener("pointerdown", (event) => this.down(event));
    stage.addEventListener("pointermove", (event) => this.move(event));
    stage.addEventListener("pointerup", (event) => this.up(event));
    stage.addEventListener("pointercancel", () => (this.drag = null));
    stage.addEventListener("pointerleave", () => !this.drag && this.hover(-1));
    stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    stage.addEventListener("keydown", (event) => this.key(event));
    stage.addEventListener("blur", () => {
      this.cross = null;
      this.hover(-1);
      this.render(false);
    });
    this.state.listen((change) => {
      this.clear.hidden = !this.state.filtersBy(this.id);
      if (change === "more") this.grow();
      else if (change === "settled") this.rough && this.render();
      else if (change !== "look") this.render(change !== "point" && change !== "tray");
    });
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.render());
  }

  private resize(): void {
    const { clientWidth, clientHeight } = this.stage;
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    if (clientWidth === this.width && clientHeight === this.height && ratio === this.ratio) return;
    [this.width, this.height, this.ratio] = [clientWidth, clientHeight, ratio];
    const { inner } = this;
    for (const [canvas, width, height] of [
      [this.canvases[0], clientWidth, clientHeight],
      [this.canvases[1], inner.width, inner.height],
      [this.canvases[2], clientWidth, clientHeight],
    ] as const) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
    }
    this.canvases[1].style.left = `${inner.left}px`;
    this.canvases[1].style.top = `${inner.top}px`;
    this.shape = [];
    this.lay();
    this.stale = true;
    this.draw();
  }

  /** Takes in points that have come, where it is zoomed to and within the shape that is drawn. */
  private grow(): void {
    const { window } = this;
    const zoomed = window !== this.scene.whole;
    this.lay();
    if (zoomed) this.show(window);
    if (this.shape.length > 1) this.choose();
    this.render();
  }

  /** The window's upper left corner, and pixels of the canvas of points a unit. */
  private get view(): { from: Point; scale: Point } {
    const [x0, x1, y0, y1] = this.window;
    const { width, height } = this.inner;
    return { from: [x0, y1], scale: [(width * this.ratio) / (x1 - x0), (height * this.ratio) / (y1 - y0)] };
  }

  /** Computes the places on the screen of points in sight, in an order in which no dataset covers the others; of too many none. */
  private place(): void {
    const { x, y, row } = this.scene;
    const { from, scale } = this.view;
    const { width: pixels, height: lines } = this.canvases[1];
    const edge = 8 * this.ratio;
    const seen = new Uint32Array(Math.min(DOTS, row.length) + 1);
    let points = 0;
    for (let at = 0; at < row.length && points <= DOTS; at++) {
      const px = (x[at]! - from[0]) * scale[0];
      const py = (from[1] - y[at]!) * scale[1];
      // Written so that a place that is no number fails it.
      if (px > -edge && py > -edge && px < pixels + edge && py < lines + edge) seen[points++] = at;
    }
    this.dense = points > DOTS;
    if (this.dense) points = 0;
    this.screenX = new Float32Array(points);
    this.screenY = new Float32Array(points);
    this.screenRow = new Uint32Array(points);
    this.screenPixel = new Int32Array(points);
    this.parts = [new Uint32Array(points), new Uint32Array(points), new Uint32Array(points), new Uint32Array(points)];
    this.own = 0;
    this.others = 0;
    const reach = Math.ceil(radiusOf(points) * this.ratio);
    const step = stride(points);
    const { count } = this.state.data;
    for (let to = 0, next = 0; to < points; to++, next = (next + step) % points) {
      const at = seen[next]!;
      const px = (x[at]! - from[0]) * scale[0];
      const py = (from[1] - y[at]!) * scale[1];
      this.screenX[to] = px;
      this.screenY[to] = py;
      this.screenRow[to] = row[at]!;
      const whole = px >= reach && py >= reach && px < pixels - reach - 1 && py < lines - reach - 1;
      this.screenPixel[to] = whole ? Math.round(py) * pixels + Math.round(px) : -1;
      if (row[at]! >= count) this.parts[0][this.own++] = to;
      else this.parts[3][this.others++] = to;
    }
  }

  private painter(context: CanvasRenderingContext2D): Painter {
    const style = getComputedStyle(this.stage);
    const colour = (name: string) => style.getPropertyValue(name).trim();
    const { inner } = this;
    const [x0, x1, y0, y1] = this.window;
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    context.font = `12px ${style.fontFamily}`;
    return {
      context,
      ink: colour("--ink"),
      muted: colour("--muted"),
      grid: colour("--grid"),
      paper: colour("--paper"),
      dark: isDark(colour("--paper")),
      at: (x, y) => [
        inner.left + ((x - x0) / (x1 - x0)) * inner.width,
        inner.top + ((y1 - y) / (y1 - y0)) * inner.height,
      ],
      inner,
    };
  }

  private draw(): void {
    if (this.width <= 1) return;
    if (this.stale) {
      this.stale = false;
      const frame = this.painter(this.contexts[0]);
      this.frame(frame);
      this.points(frame);
    }
    const over = this.painter(this.contexts[2]);
    const { left, top, width, height } = this.inner;
    over.context.save();
    over.context.beginPath();
    over.context.rect(left, top, width, height);
    over.context.clip();
    this.over(over);
    this.marks(over);
    over.context.restore();
  }

  private points(frame: Painter): void {
    const { state } = this;
    const row = this.screenRow;
    const { raster, ratio } = this;
    const radius = radiusOf(row.length) * ratio;
    raster.clear(packed(frame.paper));
    const lines = this.lines();
    const grid = packed(frame.grid);
    const { left, top } = this.inner;
    for (const x of lines.x) raster.line((frame.at(x, 0)[0] - left) * ratio, true, grid);
    for (const y of lines.y) raster.line((frame.at(0, y)[1] - top) * ratio, false, grid);
    const grey = packed(frame.dark ? "#7d8894" : "#8b949e");
    const pale = packed(frame.dark ? "#39424c" : "#d3d9df");
    if (this.dense) {
      const { pass, colours } = state;
      const every = state.hurried ? Math.ceil(this.scene.row.length / ROUGH) : 1;
      this.rough = every > 1;
      raster.density({ ...this.scene, ...this.view, pass, colours, other: grey, faded: pale, every, cell: Math.max(1, Math.round(ratio)) });
      raster.show();
      return;
    }
    const [own, faded, passing, others] = this.parts;
    const { pass } = state;
    let [b, c] = [0, 0];
    for (let index = 0; index < this.others; index++) {
      const at = others[index]!;
      if (pass[row[at]!]) passing[c++] = at;
      else faded[b++] = at;
    }
    // Of many points whole pixels are drawn: each is small, and need not be mixed.
    const many = row.length > 20_000;
    const base = { x: this.screenX, y: this.screenY, pixel: this.screenPixel, hard: many };
    raster.draw({ ...base, points: own, count: this.own, colour: grey, radius: radius * 0.8, opacity: many ? 1 : 0.7 });
    raster.draw({ ...base, points: faded, count: b, colour: pale, radius, opacity: 1 });
    raster.draw({ ...base, points: passing, count: c, colour: { of: state.colours, row }, radius, opacity: many ? 1 : 0.88 });
    raster.show();
  }

  private marks(painter: Painter): void {
    const { context } = painter;
    const ring = (at: number, size: number, width: number) => {
      const [x, y] = painter.at(this.scene.x[at]!, this.scene.y[at]!);
      context.beginPath();
      context.arc(x, y, size, 0, 7);
      context.strokeStyle = painter.paper;
      context.lineWidth = width + 2;
      context.stroke();
      context.strokeStyle = painter.ink;
      context.lineWidth = width;
      context.stroke();
    };
    const { tray, held, pointed } = this.state;
    const { row } = this.scene;
    if (tray.length) for (let at = 0; at < row.length; at++) if (held[row[at]!]) ring(at, 6, 1.6);
    if (pointed >= 0) for (let at = row.indexOf(pointed); at >= 0; at = row.indexOf(pointed, at + 1)) ring(at, 8.5, 2.4);
    if (this.shape.length > 1) {
      context.beginPath();
      this.shape.forEach(([x, y], index) => {
        const place = painter.at(x, y);
        if (index) context.lineTo(...place);
        else context.moveTo(...place);
      });
      context.closePath();
      context.fillStyle = painter.dark ? "#79b8f326" : "#0b5cad1a";
      context.fill();
      context.strokeStyle = painter.dark ? "#79b8f3" : "#0b5cad";
      context.lineWidth = 1.5;
      context.stroke();
    }
    if (this.cross) {
      const [x, y] = painter.at(...this.cross);
      context.strokeStyle = painter.ink;
      context.lineWidth = 1.2;
      context.beginPath();
      context.moveTo(x - 9, y);
      context.lineTo(x + 9, y);
      context.moveTo(x, y - 9);
      context.lineTo(x, y + 9);
      context.stroke();
    }
  }

  private units(x: number, y: number): Point {
    const { left, top, width, height } = this.inner;
    const [x0, x1, y0, y1] = this.window;
    return [x0 + ((x - left) / width) * (x1 - x0), y1 - ((y - top) / height) * (y1 - y0)];
  }

  private where(event: PointerEvent | WheelEvent): Point {
    const box = this.stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  /** Finds the image whose point is nearest to a place on the stage; those that pass come first. */
  private nearest([x, y]: Point, reach = REACH): number {
    const [ux, uy] = this.units(x, y);
    const { scale } = this.view;
    let found = -1;
    let least = (reach * this.ratio) ** 2;
    const { x: xs, y: ys, row } = this.scene;
    const { pass, data } = this.state;
    for (let at = 0; at < row.length; at++) {
      const dx = (xs[at]! - ux) * scale[0];
      const dy = (ys[at]! - uy) * scale[1];
      let gap = dx * dx + dy * dy;
      // Written so that a place that is no number fails it.
      if (!(gap < least)) continue;
      const of = row[at]!;
      if (of >= data.count || !pass[of]) gap += (4 * this.ratio) ** 2;
      if (gap < least) [least, found] = [gap, of];
    }
    return found;
  }

  private down(event: PointerEvent): void {
    if (event.button !== 0) return;
    const place = this.where(event);
    const kind = event.shiftKey ? "pan" : "brush";
    this.drag = { from: place, last: place, kind, moved: false };
    if (event.pointerType !== "touch" || this.pen) this.stage.setPointerCapture(event.pointerId);
  }

  private move(event: PointerEvent): void {
    const place = this.where(event);
    if (!this.drag) {
      this.hover(this.nearest(place), place);
      return;
    }
    const { drag } = this;
    if (!drag.moved && Math.hypot(place[0] - drag.from[0], place[1] - drag.from[1]) < 5) return;
    if (event.pointerType === "touch" && !this.pen) {
      drag.moved = true;
      return;
    }
    if (!drag.moved) this.hover(-1);
    if (drag.kind === "pan") {
      const [ax, ay] = this.units(...drag.last);
      const [bx, by] = this.units(...place);
      this.show([this.window[0] + ax - bx, this.window[1] + ax - bx, this.window[2] + ay - by, this.window[3] + ay - by]);
    } else {
      if (this.brush === "lasso") {
        if (!drag.moved) this.shape = [this.units(...drag.from)];
        if (Math.hypot(place[0] - drag.last[0], place[1] - drag.last[1]) < 3) return;
        this.shape.push(this.units(...place));
      } else this.shape = this.box(this.units(...drag.from), this.units(...place));
      this.choose();
    }
    drag.moved = true;
    drag.last = place;
  }

  private up(event: PointerEvent): void {
    const { drag } = this;
    this.drag = null;
    if (!drag || drag.moved) {
      if (drag?.kind === "brush") this.state.tell("look");
      return;
    }
    const row = this.nearest(this.where(event));
    if (row >= 0) this.hands.open(row);
    else if (this.state.filtersBy(this.id)) this.forget();
  }

  private box([ax, ay]: Point, [bx, by]: Point): Point[] {
    const [, , y0, y1] = this.scene.whole;
    const [low, high] = this.brush === "range" ? [y0, y1] : [ay, by];
    return [[ax, low], [bx, low], [bx, high], [ax, high]];
  }

  /** Filters by the shape that is drawn. */
  private choose(): void {
    this.state.hurry();
    const mask = new Uint8Array(this.state.data.count);
    const { x, y, row } = this.scene;
    const xs = this.shape.map(([px]) => px);
    const ys = this.shape.map(([, py]) => py);
    const left = Math.min(...xs);
    const right = Math.max(...xs);
    const low = Math.min(...ys);
    const high = Math.max(...ys);
    const lasso = this.brush === "lasso" && this.held === null ? new Polygon(this.shape) : null;
    for (let at = 0; at < row.length; at++) {
      const of = row[at]!;
      const px = x[at]!;
      const py = y[at]!;
      if (of < mask.length && px >= left && px <= right && py >= low && py <= high && (!lasso || lasso.holds(px, py))) mask[of] = 1;
    }
    this.state.filter(this.id, mask);
  }

  private hover(row: number, place?: Point): void {
    this.state.point(row);
    this.tip.hidden = row < 0 || !place;
    if (row < 0) this.tipped = -1;
    if (row < 0 || !place) return;
    if (this.tipped !== row) {
      this.tipped = row;
      this.tip.replaceChildren();
      void this.hands.ready([row]).then(() => this.tipped === row && this.tip.replaceChildren(this.hands.describe(row)));
    }
    const right = place[0] > this.width / 2;
    const low = place[1] > this.height / 2;
    this.tip.style.left = right ? "" : `${place[0] + 14}px`;
    this.tip.style.right = right ? `${this.width - place[0] + 14}px` : "";
    this.tip.style.top = low ? "" : `${place[1] + 14}px`;
    this.tip.style.bottom = low ? `${this.height - place[1] + 14}px` : "";
  }

  private wheel(event: WheelEvent): void {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    this.zoom(event.deltaY > 0 ? 1.2 : 1 / 1.2, this.units(...this.where(event)));
  }

  /** Zooms by a factor about a place, by default the middle; by 0 shows the whole. */
  private zoom(factor: number, about?: Point): void {
    if (factor === 0) {
      this.show(this.scene.whole);
      return;
    }
    const [x0, x1, y0, y1] = this.window;
    const [x, y] = about ?? this.cross ?? [(x0 + x1) / 2, (y0 + y1) / 2];
    if (this.brush === "range") this.show([x + (x0 - x) * factor, x + (x1 - x) * factor, y0, y1]);
    else this.show([x + (x0 - x) * factor, x + (x1 - x) * factor, y + (y0 - y) * factor, y + (y1 - y) * factor]);
  }

  private show(window: [number, number, number, number]): void {
    this.window = window;
    this.state.hurry();
    this.place();
    this.render();
  }

  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { width, height, left, top } = this.inner;
    const steps: Record<string, Point> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const step = steps[event.key];
    const here = () => this.painterPlace(this.cross ?? this.units(left + width / 2, top + height / 2));
    if (step) {
      const far = event.shiftKey ? 48 : 8;
      const [x, y] = here();
      this.cross = this.units(
        Math.min(left + width, Math.max(left, x + step[0] * far)),
        Math.min(top + height, Math.max(top, y + step[1] * far)),
      );
      if (this.held) {
        this.shape = this.box(this.held, this.cross);
        this.choose();
      }
      const row = this.nearest(here(), 24);
      this.hover(row, row < 0 ? undefined : here());
      const { data } = this.state;
      if (row >= 0) void this.hands.ready([row]).then(() => this.hands.say(`${data.name(row)}, ${data.datasetOf(row).name}`));
    } else if (event.key === " ") {
      this.cross ??= this.units(left + width / 2, top + height / 2);
      if (this.held) {
        this.held = null;
        this.hands.say(`${counted(this.state.passing, "image")} ${this.state.passing === 1 ? "passes" : "pass"}`);
      } else {
        this.held = this.cross;
        this.hands.say("A selection begins here: move the cross and press Space again");
      }
    } else if (event.key === "Enter" || event.key === "c" || event.key === "C") {
      const row = this.nearest(here(), 24);
      if (row < 0) this.hands.say("No image is near the cross");
      else if (event.key === "Enter") this.hands.open(row);
      else this.state.collect([row], !this.state.collected(row));
    } else if (event.key === "+" || event.key === "=") this.zoom(0.6);
    else if (event.key === "-") this.zoom(1 / 0.6);
    else if (event.key === "0") this.zoom(0);
    else if (event.key === "Escape") this.forget();
    else return;
    event.preventDefault();
    this.render(false);
  }

  private painterPlace([x, y]: Point): Point {
    const { left, top, width, height } = this.inner;
    const [x0, x1, y0, y1] = this.window;
    return [left + ((x - x0) / (x1 - x0)) * width, top + ((y1 - y) / (y1 - y0)) * height];
  }
}
