// Asks the kernel of a notebook for pictures, over the channel that the notebook has to it; there is no server and no port.
import type { Asked } from "./data";
import { type Host, type Kind, Known } from "./host";

/** What this page uses of the model that the notebook gives a widget (https://anywidget.dev/en/afm/). */
export interface Model {
  get(name: string): unknown;
  set(name: string, value: unknown): void;
  save_changes(): void;
  send(content: unknown): void;
  on(event: string, listener: (...given: never[]) => void): void;
  off(event: string, listener: (...given: never[]) => void): void;
}

interface Answer {
  picture?: string;
  type?: string;
}

/** Pictures that are kept when they have come; the oldest is let go of. */
const KEPT = 600;

export class KernelHost implements Host {
  readonly full = true;
  private readonly known: Known;
  private readonly addresses = new Map<string, Promise<string>>();
  private readonly waiting = new Map<string, { done: (address: string) => void; failed: (reason: Error) => void }>();
  private readonly hears = (answer: Answer, buffers: DataView<ArrayBuffer>[]) => this.hear(answer, buffers);

  constructor(
    private readonly model: Model,
    asked: Asked,
  ) {
    this.known = new Known(asked);
    model.on("msg:custom", this.hears);
  }

  has(row: number, kind: Kind, model: number): boolean {
    return this.known.has(row, kind, model);
  }

  address(row: number, kind: Kind, model: number): string | Promise<string> {
    if (!this.has(row, kind, model)) return "";
    const name = kind === "prediction" ? `${kind}/${row}/${model}` : `${kind}/${row}`;
    const known = this.addresses.get(name);
    if (known) return known;
    const coming = new Promise<string>((done, failed) => this.waiting.set(name, { done, failed }));
    // One that cannot be had is heard of where it is shown; here nobody listens.
    coming.catch(() => undefined);
    this.addresses.set(name, coming);
    if (this.addresses.size > KEPT) this.release(this.addresses.keys().next().value!);
    this.model.send({ picture: name });
    return coming;
  }

  picked(): number[] {
    return [...(this.model.get("picked_rows") as number[])];
  }

  async keep(rows: number[]): Promise<string> {
    this.model.set("picked_rows", rows);
    this.model.save_changes();
    return "In Python, these images are the rows of .picked.";
  }

  /** Lets go of all pictures, as the page is closed. */
  close(): void {
    this.model.off("msg:custom", this.hears);
    for (const name of [...this.addresses.keys()]) this.release(name);
  }

  private release(name: string): void {
    this.addresses.get(name)?.then((address) => URL.revokeObjectURL(address), () => undefined);
    this.addresses.delete(name);
  }

  private hear(answer: Answer, buffers: DataView<ArrayBuffer>[]): void {
    const { picture, type } = answer;
    if (picture === undefined) return;
    const waiting = this.waiting.get(picture);
    this.waiting.delete(picture);
    const bytes = buffers[0];
    if (bytes && type) waiting?.done(URL.createObjectURL(new Blob([bytes], { type })));
    else waiting?.failed(new Error("the kernel cannot read it"));
  }
}
