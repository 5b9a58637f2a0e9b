// Settings -> records -> packet -> symbols. Pure: no DOM, no clock. The format is blinkup.md's.
"use strict";

(function (root) {
  const TYPE = Object.freeze({
    SSID: 0x01,
    PASSWORD: 0x06,
    CLEAR: 0x07,
    STATIC: 0x0b,
    PROXY: 0x0d,
    CHECK: 0x80,
    SERVER: 0x81,
    BROKER: 0x82,
    NAME: 0x83,
    ADD: 0x84,
  });
  const BLACK = 0;
  const GREY = 1;
  const WHITE = 2;

  // The shortest of the genuine lengths. The packet is repeated, so a receiver that came too late
  // for one sync gets the next one, and every symbol more is paid for in each pass.
  const SYNC = 32;
  // One black would do to end the last pulse. Eight make a pause that is nowhere else in a pass, so
  // that a receiver sees where one pass ends and the next begins.
  const CLOSING = 8;
  const MAX_LEN = 255;

  const utf8 = (text) => new TextEncoder().encode(text);

  const CRC16 = new Uint16Array(256).map((_, n) => {
    for (let bit = 0; bit < 8; bit++) n = n & 1 ? (n >>> 1) ^ 0xa001 : n >>> 1;
    return n;
  });

  const CRC32 = new Uint32Array(256).map((_, n) => {
    for (let bit = 0; bit < 8; bit++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
    return n >>> 0;
  });

  // The table is that of a reflected CRC and the update that of an unreflected one. Two mistakes of
  // the vendor's, or one; every receiver in the field expects it.
  function crc16(bytes) {
    let crc = 0;
    for (const byte of bytes) crc = ((crc << 8) ^ CRC16[(crc >>> 8) ^ byte]) & 0xffff;
    return crc;
  }

  function crc32(bytes) {
    let crc = 0xffffffff;
    for (const byte of bytes) crc = (crc >>> 8) ^ CRC32[(crc ^ byte) & 0xff];
    return (crc ^ 0xffffffff) >>> 0;
  }

  function record(type, data = []) {
    if (data.length > 255) throw new RangeError("a record carries at most 255 bytes");
    return [type, data.length, ...data];
  }

  function addresses(quads) {
    return quads.flatMap((quad) => quad.split(".").map(Number));
  }

  function withLength(text) {
    const bytes = utf8(text);
    if (bytes.length > 255) throw new RangeError("a proxy entry carries at most 255 bytes");
    return [bytes.length, ...bytes];
  }

  function proxyData({ server, port, user, password }) {
    const data = [port & 0xff, port >>> 8, ...withLength(server)];
    if (user) data.push(...withLength(user));
    if (user && password) data.push(...withLength(password));
    return data;
  }

  /**
   * The records of one packet, the check always last.
   * settings: {clear} or any of {ssid, password, static: [quads], proxy: {server, port, user,
   * password}, server, broker, name, add}. What is missing or empty is not sent.
   */
  function encodeRecords(settings) {
    const bytes = [];
    const put = (type, data) => bytes.push(...record(type, data));
    if (settings.clear) {
      put(TYPE.CLEAR);
    } else {
      if (settings.ssid) {
        put(TYPE.SSID, utf8(settings.ssid));
        if (settings.password) put(TYPE.PASSWORD, utf8(settings.password));
        if (settings.static) put(TYPE.STATIC, addresses(settings.static));
        if (settings.proxy) put(TYPE.PROXY, proxyData(settings.proxy));
      }
      if (settings.server) put(TYPE.SERVER, utf8(settings.server));
      if (settings.broker) put(TYPE.BROKER, utf8(settings.broker));
      if (settings.name) put(TYPE.NAME, utf8(settings.name));
      if (settings.ssid && settings.add) put(TYPE.ADD);
    }
    const check = crc32(bytes);
    put(TYPE.CHECK, [check >>> 24, (check >>> 16) & 0xff, (check >>> 8) & 0xff, check & 0xff]);
    return Uint8Array.from(bytes);
  }

  /** 0x2A, LEN, the records, the vendor's CRC. */
  function packet(records) {
    if (records.length > MAX_LEN) throw new RangeError("a packet carries at most 255 bytes of records");
    const covered = [records.length, ...records];
    const crc = crc16(covered);
    return Uint8Array.of(0x2a, ...covered, crc >>> 8, crc & 0xff);
  }

  /** One pass: sync, then each bit as black and a pulse (grey is 0, white is 1), then black. */
  function symbols(packetBytes, sync = SYNC, closing = CLOSING) {
    const pass = [];
    for (let n = 0; n < sync; n++) pass.push(n & 1 ? GREY : BLACK);
    for (const byte of packetBytes) {
      for (let bit = 7; bit >= 0; bit--) pass.push(BLACK, (byte >>> bit) & 1 ? WHITE : GREY);
    }
    for (let n = 0; n < closing; n++) pass.push(BLACK);
    return Uint8Array.from(pass);
  }

  root.LutinEncoder = Object.freeze({
    TYPE, BLACK, GREY, WHITE, SYNC, CLOSING, MAX_LEN,
    utf8, crc16, crc32, record, encodeRecords, packet, symbols,
  });
})(globalThis);
