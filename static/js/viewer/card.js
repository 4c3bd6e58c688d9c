/**
 * Paints grey levels on the graphics card: the film and its halves are one 16-bit texture, the window is two numbers, so a new window
 * costs the main thread a few calls whatever the film's size.
 */

const VERTEX = `#version 300 es
void main() { vec2 p = vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4.0 - 1.0; gl_Position = vec4(p, 0, 1); }`;

// `level` is the half to read. Its pixel i covers the film from i · 2^level on; four of them are mixed by their centres. `back` leads
// from the stage, seen from where the film's corner lies, to the film.
const FRAGMENT = `#version 300 es
precision highp float; precision highp int; precision highp usampler2D;
uniform usampler2D film; uniform vec2 size; uniform vec2 corner; uniform vec4 back; uniform vec3 grey; uniform float stage; uniform int level;
out vec4 colour;
float at(ivec2 p) { return float(texelFetch(film, clamp(p, ivec2(0), textureSize(film, level) - 1), level).r); }
float mixed(vec2 p) { vec2 q = p / float(1 << level) - 0.5; ivec2 i = ivec2(floor(q)); vec2 f = fract(q);
  return mix(mix(at(i), at(i + ivec2(1, 0)), f.x), mix(at(i + ivec2(0, 1)), at(i + ivec2(1, 1)), f.x), f.y); }
void main() {
  vec2 q = vec2(gl_FragCoord.x, stage - gl_FragCoord.y) - corner;
  vec2 p = vec2(dot(back.xy, q), dot(back.zw, q));
  if (p.x < 0.0 || p.y < 0.0 || p.x >= size.x || p.y >= size.y) { colour = vec4(0, 0, 0, 1); return; }
  float shown = clamp((mixed(p) - grey.x) / max(grey.y - grey.x, 1e-6), 0.0, 1.0);
  colour = vec4(vec3(mix(shown, 1.0 - shown, grey.z)), 1);
}`;

export class CardPainter {
  // Lifecycle

  /**
   * @param {import("./film.js").Film} film
   * @throws {Error} where there is no WebGL2, or the film is larger than the card's textures
   */
  constructor(film) {
    this.film = film;
    this.canvas = document.createElement("canvas");
    this.gl = this.canvas.getContext("webgl2", { alpha: false, antialias: false, depth: false });
    if (!this.gl) throw new Error("no WebGL2");
    if (Math.max(film.width, film.height) > this.gl.getParameter(this.gl.MAX_TEXTURE_SIZE)) throw new Error("larger than a texture");
    this.#link();
    this.#load();
  }

  /** Browsers keep only a few contexts: this one is given back now, not when somebody collects it. */
  destroy() {
    this.canvas.remove();
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }

  // Actions

  /** @param {import("./view.js").View} view @param {import("./levels.js").Levels} levels @param {number} ratio screen pixels a CSS pixel */
  draw(view, levels, ratio) {
    const { gl, at } = this;
    const scale = view.scale * ratio;
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.uniform1f(at.stage, this.canvas.height);
    const [a, b, c, d, left, top] = view.matrix();
    // Turned and made larger by one factor alone, so the way back is the same numbers by the square of it.
    const area = view.scale * scale;
    gl.uniform2f(at.corner, left * ratio, top * ratio);
    gl.uniform4f(at.back, a / area, b / area, c / area, d / area);
    gl.uniform3f(at.grey, levels.low, levels.high, levels.inverted ? 1 : 0);
    gl.uniform1i(at.level, Math.min(Math.max(Math.floor(-Math.log2(scale)), 0), this.film.levels.length - 1));
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  // Private

  #link() {
    const { gl } = this;
    const program = gl.createProgram();
    for (const [type, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(type);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program) || "no program");
    gl.useProgram(program);
    const names = ["size", "corner", "back", "grey", "stage", "level"];
    this.at = Object.fromEntries(names.map((name) => [name, gl.getUniformLocation(program, name)]));
    gl.uniform2f(this.at.size, this.film.width, this.film.height);
  }

  #load() {
    const { gl, film } = this;
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    gl.texStorage2D(gl.TEXTURE_2D, film.levels.length, gl.R16UI, film.width, film.height);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST_MIPMAP_NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 2);
    film.levels.forEach(({ width, height, pixels }, level) => {
      gl.texSubImage2D(gl.TEXTURE_2D, level, 0, 0, width, height, gl.RED_INTEGER, gl.UNSIGNED_SHORT, pixels);
    });
  }
}
