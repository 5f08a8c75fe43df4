// The images that were collected, and the files that they are handed over as.
import type { Data } from "./data";
import { button, counted, h } from "./dom";
import type { Host } from "./host";
import { type Pictures, tile } from "./pictures";
import type { State } from "./state";

const SHOWN = 40;

export class Tray {
  readonly element: HTMLElement;
  private readonly heading = h("h3", { tabindex: -1 });
  private readonly body = h("div", { class: "held" });
  private readonly status = h("p", { class: "small", role: "status" });
  private saving = Promise.resolve();
  private taking = false;

  constructor(
    private readonly state: State,
    private readonly pictures: Pictures,
    private readonly host: Host,
    private readonly open: (row: number) => void,
    private readonly ready: (rows: number[]) => Promise<void>,
  ) {
    const { data } = state;
    const stem = `picks-${data.header.title.replace(/[^\p{L}\p{N}_-]+/gu, "-")}`;
    const save = (ending: string, type: string, text: () => string) =>
      button(ending.toUpperCase(), () => void this.save(() => download(`${stem}.${ending}`, type, text())), { "aria-label": `Save as ${ending.toUpperCase()}` });
    const coco = button("COCO", () => void this.coco(stem), { "aria-label": "Save as COCO" });
    this.element = h(
      "section",
      { class: "tray", "aria-label": "Collected images", hidden: true },
      h(
        "div",
        { class: "controls" },
        this.heading,
        h("span", {}, "Save:"),
        save("txt", "text/plain", () => text(data, state.tray)),
        save("csv", "text/csv", () => csv(data, state.tray)),
        save("json", "application/json", () => json(data, state.tray)),
        coco,
        button("Empty", () => state.collect([...state.tray], false), { class: "quiet" }),
      ),
      this.body,
      this.status,
    );
    state.listen((change) => change === "tray" && this.changed());
    state.hold(host.picked());
    this.render();
  }

  /** Takes rows that were collected elsewhere, which are kept there already, in place of what is held. */
  take(rows: number[]): void {
    this.state.hold(rows);
    this.taking = true;
    this.state.tell("tray");
    this.taking = false;
  }

  private changed(): void {
    this.render();
    if (this.taking) return;
    const rows = [...this.state.tray];
    this.saving = this.saving.then(async () => {
      this.status.textContent = await this.host.keep(rows);
    });
  }

  private render(): void {
    const { tray } = this.state;
    this.element.hidden = tray.length === 0;
    this.heading.textContent = `${counted(tray.length, "image")} collected`;
    void this.ready(tray.slice(0, SHOWN)).then(() => this.show());
  }

  private show(): void {
    const { data, tray } = this.state;
    this.body.replaceChildren(
      ...tray.slice(0, SHOWN).map((row) => {
        const name = data.name(row);
        const open = button("", () => this.open(row), { class: "open", "aria-label": name, title: `${name}, ${data.datasetOf(row).name}` });
        open.append(tile(this.pictures, row, name));
        const drop = button("×", () => this.state.collect([row], false), { class: "drop", "aria-label": `Take out ${name}` });
        return h("div", { class: "pick" }, open, drop);
      }),
      ...(tray.length > SHOWN ? [h("span", { class: "more" }, `and ${tray.length - SHOWN} more`)] : []),
    );
  }

  /** Saves once the names and values of what is held are there. */
  private async save(write: () => void): Promise<void> {
    try {
      await Promise.all([this.ready(this.state.tray), this.state.data.whole]);
      write();
    } catch (error) {
      this.status.textContent = `Not saved: ${(error as Error).message}.`;
    }
  }

  private async coco(stem: string): Promise<void> {
    await this.ready(this.state.tray);
    const sizes = await Promise.all(this.state.tray.map((row) => this.size(row)));
    const known = this.state.tray.map((row, at) => ({ row, size: sizes[at]! })).filter(({ size }) => size[0] > 0);
    const lacking = this.state.tray.length - known.length;
    if (lacking) this.status.textContent = `${counted(lacking, "image")} left out of COCO: the page does not know their size.`;
    if (known.length) download(`${stem}.coco.json`, "application/json", cocoOf(this.state.data, known));
  }

  private async size(row: number): Promise<[number, number]> {
    if (!this.pictures.full) {
      const small = this.state.data.smallOf(row);
      return small ? [small.width, small.height] : [0, 0];
    }
    try {
      const image = await this.pictures.loaded(row, "image");
      return [image.naturalWidth, image.naturalHeight];
    } catch {
      return [0, 0];
    }
  }
}

function download(name: string, type: string, content: string): void {
  const address = URL.createObjectURL(new Blob([content], { type: `${type};charset=utf-8` }));
  const link = h("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  window.setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** The name of each image; where they are of several datasets, whose images may share names, with its dataset's before it. */
export function names(data: Data, rows: number[]): string[] {
  const several = new Set(rows.map((row) => data.datasetOf(row).name)).size > 1;
  return rows.map((row) => (several ? `${data.datasetOf(row).name}/${data.name(row)}` : data.name(row)));
}

/** One name a line; control characters, which would break lines, are spaces. */
export function text(data: Data, rows: number[]): string {
  return names(data, rows).map((name) => `${name.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, " ")}\n`).join("");
}

function values(data: Data, row: number): Record<string, string | number | boolean | null> {
  const record: Record<string, string | number | boolean | null> = { dataset: data.datasetOf(row).name, image: data.name(row) };
  for (const { name, title, kind, values, categories } of data.columns) {
    if (name === "smoothed") continue;
    // A distance over P's own is what howfar calls relative everywhere else.
    const key = name === "distance" && title !== "distance" ? "relative" : name;
    const value = values[row]!;
    if (kind === "category") record[key] = categories[value] ?? null;
    else if (kind === "flag") record[key] = value === 1 ? true : value === 0 ? false : null;
    else record[key] = Number.isNaN(value) ? null : Number(value.toPrecision(7));
  }
  return record;
}

export function json(data: Data, rows: number[]): string {
  return `${JSON.stringify({ primary: data.header.title, images: rows.map((row) => values(data, row)) }, null, 1)}\n`;
}

/** A table; a text that a spreadsheet would take for a formula begins with an apostrophe. */
export function csv(data: Data, rows: number[]): string {
  const records = rows.map((row) => values(data, row));
  const header = Object.keys(records[0] ?? { dataset: "", image: "" });
  const cell = (value: string | number | boolean | null | undefined) => {
    if (value === null || value === undefined) return "";
    if (typeof value !== "string") return String(value);
    const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return [header, ...records.map((record) => header.map((name) => record[name]))].map((line) => `${line.map(cell).join(",")}\n`).join("");
}

export function cocoOf(data: Data, picks: { row: number; size: [number, number] }[]): string {
  const called = names(
    data,
    picks.map(({ row }) => row),
  );
  const document = {
    info: { description: `images collected from a comparison with ${data.header.title}` },
    licenses: [],
    images: picks.map(({ row, size }, index) => ({
      id: index + 1,
      file_name: called[index],
      width: size[0],
      height: size[1],
      dataset: data.datasetOf(row).name,
    })),
    annotations: [],
    categories: [{ id: 1, name: "foreground", supercategory: "" }],
  };
  return `${JSON.stringify(document, null, 1)}\n`;
}
