// When is the next symbol due? Pure: timestamps of animation frames in, decisions out.
"use strict";

(function (root) {
  const WINDOW = 90;
  const NEWEST = 15;
  const MIN_INTERVALS = 8;

  /** Measures the display's refresh period (ms) and counts the frames that it left out. */
  function createMeter() {
    let intervals = [];
    let last = null;
    let known = null;
    return {
      /** Takes a frame's timestamp; returns how many frames were dropped just before it. */
      add(now) {
        const interval = last === null ? 0 : now - last;
        if (last !== null && interval < 2) return 0; // told twice of one refresh
        last = now;
        if (interval === 0 || interval > 250) return 0; // the first; or the page slept
        intervals.push(interval);
        if (intervals.length > WINDOW) intervals.shift();
        if (intervals.length < MIN_INTERVALS) return 0;
        const ordinary = median(intervals.slice(-NEWEST));
        // A phone changes its refresh rate when it likes: what was measured before is then worthless.
        if (known && Math.abs(ordinary - known) > known / 4) {
          intervals = intervals.filter((one) => Math.abs(one - ordinary) < ordinary / 4);
        }
        // From the first frame to the last, by the number of refreshes between: jitter of the frames in
        // between cancels out, and so do clocks that count whole milliseconds.
        const sum = intervals.reduce((total, one) => total + one, 0);
        const refreshes = intervals.reduce((total, one) => total + Math.max(1, Math.round(one / ordinary)), 0);
        known = sum / refreshes;
        return Math.max(0, Math.round(interval / known) - 1);
      },
      /** null until enough frames were seen. */
      period: () => known,
    };
  }

  function median(values) {
    return [...values].sort((a, b) => a - b)[values.length >> 1];
  }

  /**
   * How long a symbol is held. Where a whole number of refreshes comes within 5 % of the time asked
   * for, every symbol gets exactly so many; a display's 59.94 Hz is as good as 60. A display too slow
   * for the rate gives each symbol one refresh. Otherwise (60 a second on 75 Hz) symbols follow an even
   * schedule and each change goes to the nearest frame.
   */
  function plan(rate, period) {
    const wanted = 1000 / rate;
    const frames = Math.max(1, Math.round(wanted / period));
    const whole = period > wanted || Math.abs(frames * period - wanted) <= wanted * 0.05;
    return { whole, symbol: whole ? frames * period : wanted };
  }

  /**
   * The pacer says at each frame whether the next symbol is due. It never asks for two: a late frame
   * makes its symbol longer and is not made up for, because a skipped symbol cannot be repaired by
   * the receiver and a long one needs no repair.
   */
  function createPacer(rate) {
    let shown = 0; // when the present symbol appeared
    let due = 0; // when it should end, by the even schedule
    return {
      start(now) {
        shown = now;
        due = now + 1000 / rate;
      },
      /** True: show the next symbol in this frame. */
      due(now, period) {
        const { whole, symbol } = plan(rate, period);
        // Half a refresh early is still this frame: timestamps jitter, frames do not.
        const end = whole ? shown + symbol : due;
        if (now < end - period / 2) return false;
        const late = now - due > period / 2;
        shown = now;
        due = (late || whole ? now : due) + symbol;
        return true;
      },
    };
  }

  root.LutinPace = Object.freeze({ createMeter, createPacer, plan });
})(globalThis);
