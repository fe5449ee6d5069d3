// One file on its way to the lab in pieces (tus): hashed first where that is quick, sent, paused,
// gone on with after the network or the page was away. `tus` is the library's global.

const CHUNK_BYTES = 16e6; // what one request sends: a proxy in between may limit it
const AT_ONCE_BYTES = 256e3; // below this the bytes come along with the first request
const HASH_MOST_BYTES = 1e9;
const HASH_WITHIN_MS = 6000;
const RETRY_MS = [0, 500, 1000, 3000, 5000, 10000, 20000];
const AGAIN_MS = 15000; // after all of those, for as long as the page is open
const WORTH_ANOTHER_TRY = [0, 408, 409, 423, 502, 503, 504];

const statusOf = (error) => error.originalResponse?.getStatus() ?? 0;

// What the lab's problem document says, or what broke.
function wordsOf(error) {
  try {
    return JSON.parse(error.originalResponse.getBody()).detail;
  } catch {
    return "The upload failed. Try it again.";
  }
}

export class Sending extends EventTarget {
  state = "waiting"; // waiting, hashing, sending, paused, offline, done, failed
  sent = 0;
  rate = 0; // bytes per second
  words = "";
  uploadId = null;
  recognised = false;

  constructor(file, { endpoint, csrf, hasherUrl }) {
    super();
    this.file = file;
    this.hasherUrl = hasherUrl;
    this.endpoint = endpoint;
    this.csrf = csrf;
  }

  async start() {
    this.upload = this.makeUpload(null);
    const [before] = await this.upload.findPreviousUploads().catch(() => []);
    if (before) this.upload.resumeFromPreviousUpload(before);
    else if (this.file.size > AT_ONCE_BYTES && this.file.size <= HASH_MOST_BYTES) {
      this.turn("hashing");
      this.upload = this.makeUpload(await this.hash());
    }
    if (this.state === "gone") return;
    this.go();
  }

  go() {
    clearTimeout(this.again);
    this.measuredAt = performance.now();
    this.turn("sending");
    this.upload.start();
  }

  pause() {
    clearTimeout(this.again);
    this.upload?.abort();
    this.turn("paused");
  }

  async cancel() {
    clearTimeout(this.again);
    this.turn("gone");
    this.hasher?.terminate();
    try {
      await this.upload?.abort(true);
    } catch {
      // The lab clears away by itself what nobody finishes.
    }
  }

  online() {
    if (this.state === "offline") this.go();
  }

  get timeLeft() {
    return this.rate > 0 ? (this.file.size - this.sent) / this.rate : Infinity;
  }

  makeUpload(sha256) {
    const metadata = { filename: this.file.name };
    if (sha256) metadata.sha256 = sha256;
    return new window.tus.Upload(this.file, {
      endpoint: this.endpoint,
      metadata,
      headers: { "X-CSRF-Token": this.csrf },
      chunkSize: CHUNK_BYTES,
      retryDelays: RETRY_MS,
      uploadDataDuringCreation: this.file.size <= AT_ONCE_BYTES,
      onShouldRetry: (error) => navigator.onLine && WORTH_ANOTHER_TRY.includes(statusOf(error)),
      onAfterResponse: (request, response) => this.look(request, response),
      onProgress: (sent) => this.measure(sent),
      onSuccess: () => this.finish(),
      onError: (error) => this.stumble(error),
    });
  }

  // The lab may know the bytes already: then nothing is left to be sent.
  look(request, response) {
    const isWhole = Number(response.getHeader("Upload-Offset")) === this.file.size;
    if (request.getMethod() !== "POST" || response.getStatus() !== 201 || !isWhole) return;
    if (this.file.size <= AT_ONCE_BYTES) return;
    this.recognised = true;
    const address = response.getHeader("Location"); // aborting forgets it
    this.upload.abort();
    this.finish(address);
  }

  measure(sent) {
    const now = performance.now();
    const seconds = (now - this.measuredAt) / 1000;
    if (seconds > 0.5) {
      const rate = Math.max(0, sent - (this.measuredSent ?? sent)) / seconds;
      this.rate = this.rate ? 0.7 * this.rate + 0.3 * rate : rate;
      this.measuredAt = now;
      this.measuredSent = sent;
    }
    this.measuredSent ??= sent;
    this.sent = sent;
    this.tell();
  }

  finish(address = this.upload.url) {
    this.uploadId = address.split("/").pop();
    this.sent = this.file.size;
    this.turn("done");
  }

  stumble(error) {
    if (this.state === "gone") return;
    this.measuredSent = undefined;
    if (WORTH_ANOTHER_TRY.includes(statusOf(error))) {
      this.again = setTimeout(() => this.online(), AGAIN_MS);
      this.turn("offline");
    } else {
      this.words = wordsOf(error);
      this.turn("failed");
    }
  }

  // The SHA-256, or null where working it out takes too long to be worth it.
  hash() {
    return new Promise((resolve) => {
      this.hasher = new Worker(this.hasherUrl);
      const end = (found) => {
        clearTimeout(limit);
        this.hasher.terminate();
        resolve(found);
      };
      const limit = setTimeout(() => end(null), HASH_WITHIN_MS);
      this.hasher.addEventListener("message", ({ data }) => end(data));
      this.hasher.addEventListener("error", () => end(null));
      this.hasher.postMessage(this.file);
    });
  }

  turn(state) {
    this.state = state;
    this.tell();
  }

  tell() {
    this.dispatchEvent(new Event("change"));
  }
}
