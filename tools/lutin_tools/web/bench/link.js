// The WebSocket to the bench. It comes back by itself.

const LEAST = 300; // ms between tries
const MOST = 3000;

export class Link {
  constructor(onChange) {
    this.handlers = new Map();
    this.onChange = onChange;
    this.wait = LEAST;
    this.open();
  }

  on(kind, handler) {
    this.handlers.set(kind, [...(this.handlers.get(kind) ?? []), handler]);
  }

  send(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  open() {
    this.socket = new WebSocket(`ws://${location.host}/ws`);
    this.socket.onopen = () => {
      this.wait = LEAST;
      this.onChange(true);
    };
    this.socket.onmessage = (event) => this.heard(JSON.parse(event.data));
    this.socket.onclose = () => {
      this.onChange(false);
      setTimeout(() => this.open(), this.wait);
      this.wait = Math.min(MOST, this.wait * 2);
    };
  }

  heard(message) {
    for (const handler of this.handlers.get(message.t) ?? []) handler(message);
  }
}
