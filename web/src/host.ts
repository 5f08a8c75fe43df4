// Where the page's pictures come from, and where what is collected is kept: the page itself, or howfar's server.
import type { Ask, Data } from "./data";

export type Kind = "thumbnail" | "image" | "mask" | "prediction";

export interface Host {
  /** Whether every image can be had at full size. */
  readonly full: boolean;
  /** Whether there is a picture. */
  has(row: number, kind: Kind, model: number): boolean;
  /** The address of a picture, now or when it has come; "" where there is none. */
  address(row: number, kind: Kind, model: number): string | Promise<string>;
  /** Gets bytes that the page does not hold. */
  readonly ask: Ask;
  /** Rows that were collected before. */
  picked(): number[];
  /** Keeps the rows that are collected, and says where. */
  keep(rows: number[]): Promise<string>;
}

/** A page that stands for itself. It keeps what is collected in the browser's own storage, by the run's id, where there is any. */
export class PageHost implements Host {
  readonly full = false;
  readonly ask = async () => new ArrayBuffer(0);

  constructor(private readonly data: Data) {}

  has(row: number, kind: Kind, model: number): boolean {
    return this.address(row, kind, model) !== "";
  }

  address(row: number, kind: Kind, model: number): string {
    const small = this.data.smallOf(row);
    if (!small) return "";
    return kind === "mask" ? small.mask : kind === "prediction" ? (small.predictions[model] ?? "") : small.photograph;
  }

  /** The storage is keyed by names, since a report that is drawn anew may hold other rows. */
  picked(): number[] {
    try {
      const kept = JSON.parse(window.localStorage.getItem(this.key) ?? "[]") as [string, string][];
      const wanted = new Map(kept.map(([dataset, image], at) => [JSON.stringify([dataset, image]), at]));
      const found: number[] = [];
      for (let row = 0; wanted.size && row < this.data.count; row++) {
        const at = wanted.get(JSON.stringify([this.data.datasetOf(row).name, this.data.name(row)]));
        if (at !== undefined) found[at] = row;
      }
      return found.filter((row) => row !== undefined);
    } catch {
      return [];
    }
  }

  async keep(rows: number[]): Promise<string> {
    try {
      const names = rows.map((row) => [this.data.datasetOf(row).name, this.data.name(row)]);
      if (rows.length) window.localStorage.setItem(this.key, JSON.stringify(names));
      else window.localStorage.removeItem(this.key);
      return "This browser keeps the collection for this page.";
    } catch {
      return "This browser keeps nothing for this page: save the list before you close it.";
    }
  }

  /** The page names its runs; the first is the one that it is about, the others were made of it. */
  private get key(): string {
    const runs = document.querySelector<HTMLMetaElement>('meta[name="howfar run"]')?.content ?? "";
    return `howfar picks ${runs.split(" ")[0] || this.data.header.title}`;
  }
}

/** Which pictures there are, of those that are asked for by row. */
export class Known {
  private readonly masks: Set<number>;
  private readonly predictions: Set<number>[];

  constructor(private readonly data: Data) {
    const { masks, predictions } = data.header.asked!;
    this.masks = new Set(masks);
    this.predictions = (predictions ?? []).map((rows) => new Set(rows));
  }

  has(row: number, kind: Kind, model: number): boolean {
    const about = this.data.about(row);
    if (kind === "mask") return about?.mask ?? this.masks.has(row);
    return kind !== "prediction" || (about?.predictions[model] ?? this.predictions[model]?.has(row) ?? false);
  }
}

/** The page of `howfar explore`. */
export class ServerHost implements Host {
  readonly full = true;
  private readonly known: Known;

  constructor(private readonly data: Data) {
    this.known = new Known(data);
  }

  readonly ask = async (name: string, from?: number, to?: number): Promise<ArrayBuffer> => {
    const answer = await fetch(`./${name}`, from === undefined ? {} : { headers: { Range: `bytes=${from}-${to! - 1}` } });
    if (!answer.ok) throw new Error(await answer.text());
    return answer.arrayBuffer();
  };

  has(row: number, kind: Kind, model: number): boolean {
    return this.known.has(row, kind, model);
  }

  address(row: number, kind: Kind, model: number): string {
    if (!this.has(row, kind, model)) return "";
    return kind === "prediction" && model > 0 ? `${kind}/${row}/${model}` : `${kind}/${row}`;
  }

  picked(): number[] {
    return this.data.header.asked!.picks;
  }

  async keep(rows: number[]): Promise<string> {
    try {
      const answer = await fetch("picks", {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-Howfar-Token": this.data.header.asked!.token },
        body: JSON.stringify({ rows }),
      });
      return answer.ok ? await answer.text() : `Not saved: ${await answer.text()}`;
    } catch {
      return "Not saved: howfar explore no longer answers.";
    }
  }
}
