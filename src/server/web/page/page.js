'use strict';

// Whatever comes from the server is put in as text, never as markup.

const KEPT = 3600;
const $ = (id) => document.getElementById(id);
const root = document.documentElement;

const view = { range: 900, percentile: 1, cursor: null, cell: null, held: false, filter: '' };
const data = {
  run: null, names: [], samples: [], last: 0, info: {}, heat: { column: 0, step: 10, rows: new Map() },
  loop: [], hot: null, big: null, cluster: null, slow: [], log: [], config: [], heard: 0,
};

// ---- numbers as people read them

function count(value) {
  if (!Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  const [unit, by] = size >= 1e9 ? ['G', 1e9] : size >= 1e6 ? ['M', 1e6] : size >= 1e4 ? ['k', 1e3] : ['', 1];
  const scaled = value / by;
  const digits = unit ? (Math.abs(scaled) < 100 ? 1 : 0) : size < 10 && !Number.isInteger(value) ? 1 : 0;
  return scaled.toFixed(digits) + unit;
}

// As INFO has them.
function bytes(value) {
  if (!Number.isFinite(value)) return '–';
  if (value < 1024) return Math.round(value) + 'B';
  let unit = 0;
  for (value /= 1024; value >= 1024 && unit < 3; unit += 1) value /= 1024;
  return value.toFixed(2) + 'KMGT'[unit];
}

function micros(value) {
  if (value < 10) return value.toFixed(1) + ' µs';
  if (value < 1000) return value.toFixed(0) + ' µs';
  if (value < 1e6) return (value / 1000).toFixed(value < 1e4 ? 1 : 0) + ' ms';
  return (value / 1e6).toFixed(1) + ' s';
}

function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 120) return s + ' s';
  if (s < 7200) return Math.floor(s / 60) + ' min';
  if (s < 172800) return Math.floor(s / 3600) + ' h ' + Math.floor((s % 3600) / 60) + ' min';
  return Math.floor(s / 86400) + ' d ' + Math.floor((s % 86400) / 3600) + ' h';
}

const percent = (value) => (Number.isFinite(value) ? value.toFixed(value < 9.95 ? 1 : 0) : '–');
const clock = (ms) => new Date(ms).toTimeString().slice(0, 8);
const number = (field) => Number(data.info[field] || 0);

// ---- building

function make(tag, properties, ...children) {
  const element = document.createElement(tag);
  Object.assign(element, properties || {});
  element.append(...children);
  return element;
}

function drawn(tag, attributes, text) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

function say(id, text, kind) {
  const element = $(id);
  if (element.textContent !== text) element.textContent = text;
  if (kind !== undefined) element.className = kind;
}

function color(name) {
  return getComputedStyle(root).getPropertyValue('--' + name).trim();
}

function isDark() {
  const chosen = root.dataset.theme;
  return chosen ? chosen === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
}

// ---- the instruments

const at = (sample, name) => (sample ? sample[data.names.indexOf(name)] : NaN);
const ratio = (sample) => {
  const found = at(sample, 'hits'), all = found + at(sample, 'misses');
  return all > 0 ? (found / all) * 100 : NaN;
};

const INSTRUMENTS = [
  {
    title: 'Requests', unit: '/s', show: count, lines: [(s) => at(s, 'ops'), (s) => at(s, 'errors')], names: ['', 'errors'],
    side: () => [count(number('total_commands_processed')) + ' in all'],
  },
  {
    title: 'Processor', unit: '% of one core', show: percent, lines: [(s) => at(s, 'cpu')], least: 100,
    side: () => [number('used_cpu_user').toFixed(1) + ' s user', number('used_cpu_sys').toFixed(1) + ' s system'],
  },
  {
    title: 'Event loop busy', unit: '%', show: percent, lines: [(s) => at(s, 'loop')], least: 100,
    side: () => [count(number('instantaneous_eventloop_cycles_per_sec')) + ' turns/s', micros(number('instantaneous_eventloop_duration_usec')) + ' each'],
  },
  {
    title: 'Memory in use', unit: '', show: bytes, lines: [(s) => at(s, 'used'), (s) => at(s, 'resident')], names: ['', 'resident'],
    side: () => [bytes(number('used_memory_peak')) + ' peak', number('maxmemory') ? bytes(number('maxmemory')) + ' limit' : 'no limit'],
  },
  {
    title: 'Clients', unit: '', show: count, lines: [(s) => at(s, 'clients'), (s) => at(s, 'blocked')], names: ['', 'blocked'],
    side: () => [count(number('maxclients')) + ' at most', count(number('rejected_connections')) + ' refused'],
  },
  {
    title: 'Hit ratio', unit: '%', show: percent, lines: [ratio], least: 100,
    side: () => [count(number('keyspace_hits')) + ' hits', count(number('keyspace_misses')) + ' misses'],
  },
  {
    title: 'Network out', unit: '/s', show: bytes, lines: [(s) => at(s, 'output'), (s) => at(s, 'input')], names: ['', 'in'],
    side: () => [bytes(number('total_net_output_bytes')) + ' sent', bytes(number('total_net_input_bytes')) + ' read'],
  },
  {
    title: 'Keys expired', unit: '/s', show: count, lines: [(s) => at(s, 'expired'), (s) => at(s, 'evicted')], names: ['', 'evicted'],
    side: () => [count(number('expired_keys')) + ' expired', count(number('evicted_keys')) + ' evicted'],
  },
];

function buildInstruments() {
  for (const instrument of INSTRUMENTS) {
    instrument.now = make('p', { className: 'now' });
    instrument.aside = make('p', { className: 'side' });
    instrument.canvas = make('canvas', {});
    instrument.canvas.setAttribute('role', 'img');
    instrument.canvas.addEventListener('pointermove', (event) => {
      const box = instrument.canvas.getBoundingClientRect();
      const back = (1 - (event.clientX - box.left) / box.width) * view.range;
      setCursor(Math.round(back));
    });
    instrument.canvas.addEventListener('pointerleave', () => setCursor(null));
    $('instruments').append(make('div', { className: 'instrument' },
      make('h2', { textContent: instrument.title }), instrument.aside, instrument.now, instrument.canvas));
  }
}

function setCursor(back) {
  view.cursor = back === null ? null : Math.min(Math.max(back, 0), Math.min(view.range, data.samples.length) - 1);
  render();
}

// Room for so many pixels, whatever their size.
function prepare(canvas, height) {
  const width = canvas.clientWidth, scale = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const pen = canvas.getContext('2d');
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  return [pen, width, height];
}

function nice(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].find((step) => step * power >= value) * power;
}

// One value per pixel at most: the mean of the seconds that share it.
function points(line, width) {
  const shown = data.samples.slice(-view.range), columns = Math.min(view.range, Math.max(1, Math.floor(width)));
  const found = new Array(columns).fill(NaN), parts = new Array(columns).fill(0);
  shown.forEach((sample, place) => {
    const value = line(sample);
    if (!Number.isFinite(value)) return;
    const column = Math.floor(((view.range - shown.length + place) / view.range) * columns);
    found[column] = (parts[column] ? found[column] : 0) + value;
    parts[column] += 1;
  });
  return found.map((sum, column) => sum / parts[column]);
}

function drawInstrument(instrument, ink) {
  const [pen, width, height] = prepare(instrument.canvas, instrument.canvas.clientHeight || 54);
  const lines = instrument.lines.map((line) => points(line, width));
  const most = Math.max(instrument.least || 0, ...lines.flat().filter(Number.isFinite));
  const top = instrument.show === bytes ? most * 1.15 || 1 : nice(instrument.least ? most : most * 1.05);
  const x = (column, columns) => ((column + 0.5) / columns) * width;
  const y = (value) => height - 1 - (value / top) * (height - 4);
  pen.strokeStyle = ink.line;
  pen.lineWidth = 1;
  for (const level of [0.5, height / 2, height - 0.5]) {
    pen.beginPath();
    pen.moveTo(0, Math.round(level) + 0.5);
    pen.lineTo(width, Math.round(level) + 0.5);
    pen.stroke();
  }
  lines.forEach((values, place) => {
    pen.strokeStyle = place === 0 ? ink.main : ink.second;
    pen.lineWidth = place === 0 ? 1.4 : 1;
    for (let from = 0; from < values.length;) {
      if (!Number.isFinite(values[from])) { from += 1; continue; }
      let end = from;
      while (end < values.length && Number.isFinite(values[end])) end += 1;
      pen.beginPath();
      for (let column = from; column < end; column += 1) pen.lineTo(x(column, values.length), y(values[column]));
      if (end - from === 1) pen.lineTo(x(from, values.length) + 1, y(values[from]));
      pen.stroke();
      if (place === 0) {
        pen.lineTo(x(end - 1, values.length), height);
        pen.lineTo(x(from, values.length), height);
        pen.fillStyle = ink.fill;
        pen.fill();
      }
      from = end;
    }
  });
  pen.font = '10px ui-monospace, monospace';
  pen.fillStyle = ink.weak;
  pen.textBaseline = 'top';
  pen.fillText(instrument.show(top), 2, 3);
  if (view.cursor !== null) {
    const place = Math.round((1 - (view.cursor + 0.5) / view.range) * width) + 0.5;
    pen.strokeStyle = ink.soft;
    pen.beginPath();
    pen.moveTo(place, 0);
    pen.lineTo(place, height);
    pen.stroke();
  }
}

function renderInstruments() {
  const ink = { line: color('faint'), main: color('main'), fill: color('main-fill'), second: color('second'), weak: color('weak'), soft: color('soft') };
  const sample = data.samples[data.samples.length - 1 - (view.cursor || 0)];
  for (const instrument of INSTRUMENTS) {
    const value = instrument.show(instrument.lines[0](sample));
    instrument.now.replaceChildren(value, make('small', { textContent: value === '–' ? '' : instrument.unit }));
    const seconds = (instrument.names || []).slice(1).map((name, place) => {
      const shown = instrument.show(instrument.lines[place + 1](sample));
      return make('i', { textContent: shown + ' ' + name + '\n' });
    });
    instrument.aside.replaceChildren(...seconds, instrument.side().join('\n'));
    instrument.canvas.setAttribute('aria-label', instrument.title + ': ' + value + ' ' + instrument.unit);
    drawInstrument(instrument, ink);
  }
}

// ---- the map of latency

const STEPS = [1, 3, 10, 30, 100, 300, 1000, 3000, 10000];
const LIGHT = ['#e4efee', '#c9e2e2', '#a6d0d1', '#7bb9bd', '#4d9fa5', '#28818a', '#ecd08a', '#dfa34c', '#cc6a33', '#a32d23'];
const DARK = ['#1b2a2b', '#1f3b3e', '#235055', '#29686e', '#338489', '#4fabb0', '#80682d', '#b48431', '#d06d3b', '#ea5b4e'];
const NAMES = ['p50', 'p99', 'p99.9'];
const LABEL = 118, ROW_LEAST = 17, ROW_MOST = 26, MAP = 272;

const shade = (value, ramp) => ramp[STEPS.findIndex((step) => value < step) + (value >= STEPS[8] ? 10 : 0)];

function heatRows() {
  const columns = Math.max(1, Math.round(view.range / data.heat.step));
  const rows = [...data.heat.rows].map(([name, cells]) => ({ name, cells: cells.slice(-columns) }));
  const calls = (row) => row.cells.reduce((sum, cell) => sum + (cell ? cell[0] : 0), 0);
  return { columns, rows: rows.filter((row) => calls(row) > 0).sort((one, other) => calls(other) - calls(one)) };
}

function renderHeat() {
  const ramp = isDark() ? DARK : LIGHT, { columns, rows } = heatRows();
  const canvas = $('heat'), ROW = rowHeight(rows), height = Math.max(rows.length, 3) * ROW + 16;
  canvas.style.height = height + 'px';
  const [pen, width] = prepare(canvas, height);
  const cell = (width - LABEL) / columns;
  pen.font = '12px ui-monospace, monospace';
  pen.textBaseline = 'middle';
  rows.forEach((row, line) => {
    const y = line * ROW;
    pen.fillStyle = color('soft');
    pen.fillText(row.name.slice(0, 16), 0, y + ROW / 2);
    pen.fillStyle = color('faint');
    pen.fillRect(LABEL, y, width - LABEL, ROW - 1);
    row.cells.forEach((values, place) => {
      if (!values) return;
      const column = columns - row.cells.length + place;
      pen.fillStyle = shade(values[1 + view.percentile], ramp);
      const left = LABEL + column * cell;
      pen.fillRect(left, y, Math.max(cell - (cell > 4 ? 1 : 0), 0.8), ROW - 1);
    });
  });
  pen.fillStyle = color('weak');
  pen.font = '10px ui-monospace, monospace';
  if (rows.length === 0) pen.fillText('no calls yet: an interval takes ' + data.heat.step + ' s', LABEL, ROW / 2);
  for (const part of [0, 0.5, 1]) {
    const back = (1 - part) * view.range;
    const text = back === 0 ? 'now' : '-' + span(back);
    pen.textAlign = part === 0 ? 'left' : part === 1 ? 'right' : 'center';
    pen.fillText(text, LABEL + part * (width - LABEL), height - 6);
  }
  pen.textAlign = 'left';
  showCell(pen, rows, columns, cell);
}

// The fewer there are the higher they are.
function rowHeight(rows) {
  return Math.min(Math.max(Math.floor(MAP / Math.max(rows.length, 1)), ROW_LEAST), ROW_MOST);
}

function showCell(pen, rows, columns, size) {
  const chosen = view.cell;
  if (!chosen || !rows.length) {
    say('heat-readout', 'microseconds below which ' + ['half of', '99 % of', '99.9 % of'][view.percentile] + ' the calls were, each ' + data.heat.step + ' s');
    return;
  }
  chosen.row = Math.min(chosen.row, rows.length - 1);
  const row = rows[chosen.row], cell = row.cells[row.cells.length - 1 - chosen.back];
  const time = clock((Math.floor(data.last / 1000 / data.heat.step) - chosen.back) * data.heat.step * 1000);
  const text = cell
    ? count(cell[0] / data.heat.step) + ' calls/s, ' + NAMES.map((name, place) => name + ' ' + micros(cell[1 + place])).join(', ')
    : 'no calls';
  say('heat-readout', row.name + ' until ' + time + ': ' + text);
  const ROW = rowHeight(rows);
  pen.strokeStyle = color('ink');
  pen.strokeRect(LABEL + (columns - 1 - chosen.back) * size + 0.5, chosen.row * ROW + 0.5, Math.max(size - 2, 1), ROW - 2);
}

function heatPointer(event) {
  const box = $('heat').getBoundingClientRect(), { columns, rows } = heatRows();
  const column = Math.floor(((event.clientX - box.left - LABEL) / (box.width - LABEL)) * columns);
  const row = Math.floor((event.clientY - box.top) / rowHeight(rows));
  view.cell = column >= 0 && column < columns && row < rows.length ? { row, back: columns - 1 - column } : null;
  render();
}

function heatKey(event) {
  const moves = { ArrowLeft: [0, 1], ArrowRight: [0, -1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  const move = moves[event.key];
  if (!move) return;
  event.preventDefault();
  event.stopPropagation();
  const { columns, rows } = heatRows(), cell = view.cell || { row: 0, back: 0 };
  const within = (value, end) => Math.min(Math.max(value, 0), end - 1);
  view.cell = { row: within(cell.row + move[0], rows.length), back: within(cell.back + move[1], columns) };
  render();
}

function renderScale() {
  const ramp = isDark() ? DARK : LIGHT;
  const swatches = ramp.map((shade) => {
    const swatch = make('i');
    swatch.style.background = shade;
    return swatch;
  });
  $('heat-scale').replaceChildren(make('span', { textContent: '1 µs' }), ...swatches, make('span', { textContent: '10 ms' }));
}

// ---- parts of a whole

function renderBar(bar, legend, parts, whole, show) {
  const pieces = [], rows = [];
  for (const [name, value, hue] of parts) {
    const piece = make('i', { title: name }), dot = make('i');
    piece.style.flex = Math.max(value, 0) / whole + ' 0 0';
    piece.style.background = dot.style.background = hue;
    pieces.push(piece);
    rows.push(make('tr', {}, make('td', {}, dot), make('td', { textContent: name }), make('td', { className: 'n', textContent: show(value) })));
  }
  const rest = make('i');
  rest.style.flex = Math.max(whole - parts.reduce((sum, part) => sum + Math.max(part[1], 0), 0), 0) / whole + ' 0 0';
  $(bar).replaceChildren(...pieces, rest);
  $(legend).replaceChildren(...rows);
}

function hues() {
  return ['main', 'third', 'second', 'good', 'warn', 'weak', 'line'].map(color);
}

function renderLoop() {
  const [newest, oldest] = [data.loop[data.loop.length - 1], data.loop[0]];
  if (!newest || newest === oldest) return;
  const elapsed = (newest.t - oldest.t) * 1000, hue = hues();
  const share = (place) => ((newest.parts[place] - oldest.parts[place]) / elapsed) * 100;
  const parts = ['running commands', 'reading and parsing', 'writing log and answers', 'cron', 'this page and metrics']
    .map((name, place) => [name, share(place), hue[place]]);
  const busy = parts.reduce((sum, part) => sum + part[1], 0);
  say('loop-readout', percent(busy) + ' % busy, the last ' + Math.round(elapsed / 1e6) + ' s');
  renderBar('loop-bar', 'loop-legend', parts, 100, (value) => value.toFixed(2) + ' %');
}

function renderMemory() {
  const used = number('used_memory'), resident = number('used_memory_rss'), hue = hues();
  const replication = number('mem_replication_backlog') + number('mem_clients_slaves');
  const clients = number('mem_clients_normal'), startup = number('used_memory_startup');
  const rest = Math.max(number('used_memory_overhead') - startup - clients - replication, 0);
  const parts = [
    ['data', number('used_memory_dataset'), hue[0]],
    ['tables of keys', rest, hue[1]],
    ['clients', clients, hue[2]],
    ['replication', replication, hue[3]],
    ['the server itself', startup, hue[4]],
    ['allocator, beyond what is in use', Math.max(resident - used, 0), hue[5]],
  ];
  const limit = number('maxmemory');
  const whole = Math.max(parts.reduce((sum, part) => sum + part[1], 0), limit, 1);
  say('memory-readout', bytes(used) + ' in use, ' + bytes(resident) + ' resident' + (limit ? ', limit ' + bytes(limit) : ''));
  renderBar('memory-bar', 'memory-legend', parts, whole, bytes);
}

// ---- lists

function rows(id, list, empty) {
  const body = $(id).tBodies[0] || $(id).appendChild(make('tbody'));
  body.replaceChildren(...(list.length ? list : [make('tr', {}, make('td', { className: 'empty', colSpan: 5, textContent: empty }))]));
}

const cells = (...texts) => make('tr', {}, ...texts.map((text, place) =>
  (text instanceof Node ? text : make('td', { className: place ? 'n' : '', textContent: text }))));

function renderSlow() {
  const limit = data.config.find(([name]) => name === 'slowlog-log-slower-than');
  const from = limit ? Number(limit[1]) : 10000;
  say('slow-readout', from < 0 ? 'switched off' : 'commands of ' + micros(from) + ' and more');
  rows('slow', data.slow.map(([, time, duration, peer, words]) => make('tr', {},
    make('td', { className: 'n', textContent: (duration / 1000).toFixed(duration < 10000 ? 2 : 0) }),
    make('td', { textContent: span(data.last / 1000 - time) + ' ago', title: clock(time * 1000) }),
    make('td', { className: 'command', textContent: words.join(' '), title: words.join(' ') }),
    make('td', { className: 'mono', textContent: peer }))), 'nothing was slow');
}

function ranked(db, key, share, ...more) {
  const track = make('span', { className: 'track' });
  track.style.width = Math.max(share * 100, 0.5) + '%';
  const name = make('td', { title: key }, track, key, ...(db ? [make('em', { textContent: '  db' + db })] : []));
  return make('tr', {}, name, ...more.map((text) => make('td', { className: 'n', textContent: text })));
}

function renderHot() {
  const hot = data.hot || { samples: 0, keys: [] }, rate = at(data.samples[data.samples.length - 1], 'ops');
  const most = hot.keys.length ? hot.keys[0][2] : 1;
  say('hot-readout', hot.samples ? 'one command in 256 looked at, ' + count(hot.samples) + ' in the last minute' : '');
  rows('hot', hot.keys.map(([db, key, share]) =>
    ranked(db, key, share / most, (share * 100).toFixed(1) + ' %', '~' + count(share * rate) + '/s')), 'no key stands out');
}

function renderBig() {
  const big = data.big;
  if (!big) {
    say('big-readout', '');
    rows('big', [], 'not searched for: CONFIG SET bigkeys-scan yes');
    return;
  }
  const most = big.keys.length ? big.keys[0][3] : 1;
  say('big-readout', big.passes ? 'as MEMORY USAGE; ' + big.passes + (big.passes === 1 ? ' pass' : ' passes') : 'first pass: ' + (big.share * 100).toFixed(0) + ' %');
  rows('big', big.keys.map(([db, key, kind, size, length]) =>
    ranked(db, key, size / most, kind, count(length), bytes(size))), 'no keys');
}

function pairsOf(text) {
  return Object.fromEntries(text.split(',').map((pair) => pair.split('=')));
}

function renderDatabases() {
  const found = Object.keys(data.info).filter((field) => /^db\d+$/.test(field));
  let all = 0;
  const list = found.map((field) => {
    const { keys, expires, avg_ttl: ttl } = pairsOf(data.info[field]);
    all += Number(keys);
    return cells(field, keys, expires, Number(ttl) ? span(Number(ttl) / 1000) : '–');
  });
  say('dbs-readout', count(all) + ' keys');
  const head = make('tr', {}, ...['database', 'keys', 'expiring', 'average TTL'].map((name, place) => make('th', { className: place ? 'n' : '', textContent: name })));
  rows('dbs', list.length ? [head, ...list] : [], 'empty');
}

function pairs(id, list) {
  rows(id, list.map(([name, value, kind]) => make('tr', {},
    make('td', { textContent: name }), make('td', { className: kind || '', textContent: value }))), 'nothing');
}

function renderPersistence() {
  const info = data.info, age = data.last / 1000 - number('rdb_last_save_time');
  const fine = (field) => info[field] === 'ok';
  const list = [
    ['last snapshot', span(age) + ' ago' + (number('rdb_saves') ? '' : ' (the start)') + (fine('rdb_last_bgsave_status') ? '' : ', then one failed'), fine('rdb_last_bgsave_status') ? '' : 'bad'],
    ['changes since', count(number('rdb_changes_since_last_save'))],
  ];
  const took = number('rdb_last_bgsave_time_sec');
  if (took >= 0) list.push(['it took', took + ' s, ' + bytes(number('rdb_last_cow_size')) + ' copied']);
  if (info.rdb_bgsave_in_progress === '1') list.push(['saving', info.current_fork_perc + ' %, for ' + span(number('rdb_current_bgsave_time_sec')), 'warn']);
  if (info.loading === '1') list.push(['loading', info.loading_loaded_perc + ' %, ' + span(number('loading_eta_seconds')) + ' left', 'warn']);
  if (info.aof_enabled === '1') {
    const works = fine('aof_last_write_status') && fine('aof_last_bgrewrite_status');
    list.push(['log of commands', bytes(number('aof_current_size')) + ', from ' + bytes(number('aof_base_size')), works ? '' : 'bad']);
    if (!works) list.push(['trouble', fine('aof_last_write_status') ? 'the last rewrite failed' : 'it cannot be written', 'bad']);
    if (info.aof_rewrite_in_progress === '1') list.push(['rewriting', info.current_fork_perc + ' %, for ' + span(number('aof_current_rewrite_time_sec')), 'warn']);
  } else {
    list.push(['log of commands', 'off']);
  }
  say('persist-readout', '');
  pairs('persist', list);
}

function node(svg, x, y, lines, kind) {
  svg.append(drawn('rect', { x, y, width: 146, height: 36, rx: 3, class: kind || '' }));
  lines.forEach((text, place) => svg.append(drawn('text', { x: x + 8, y: y + 15 + place * 14, class: place ? 'soft' : '' }, text.slice(0, 21))));
}

function renderReplication() {
  const info = data.info, replicas = [];
  for (let place = 0; info['slave' + place]; place += 1) replicas.push(pairsOf(info['slave' + place]));
  const isReplica = info.role === 'slave', offset = number('master_repl_offset');
  const own = ['this server', isReplica ? 'replica' : 'primary'];
  const shown = replicas.slice(0, 8), height = Math.max(shown.length, 1) * 46;
  const columns = (isReplica ? 1 : 0) + 1 + (shown.length ? 1 : 0), width = columns * 146 + (columns - 1) * 44;
  const svg = drawn('svg', { viewBox: '0 0 ' + width + ' ' + height, width: Math.min(width, 520), role: 'img', 'aria-label': 'Replication' });
  svg.style.maxWidth = '100%';
  const middle = height / 2 - 18;
  let x = 0;
  if (isReplica) {
    const isUp = info.master_link_status === 'up', syncs = info.master_sync_in_progress === '1';
    node(svg, 0, middle, [info.master_host + ':' + info.master_port, syncs ? 'sync ' + (info.master_sync_perc || '?') + ' %' : isUp ? 'heard ' + info.master_last_io_seconds_ago + ' s ago' : 'no link']);
    svg.append(drawn('path', { d: 'M146 ' + (middle + 18) + 'h44', class: syncs ? 'busy' : isUp ? 'up' : 'down' }));
    x = 190;
  }
  node(svg, x, middle, own, 'self');
  shown.forEach((replica, place) => {
    const y = place * 46 + 5, online = replica.state === 'online', behind = Math.max(offset - Number(replica.offset), 0);
    node(svg, x + 190, y, [replica.ip + ':' + replica.port, online ? bytes(behind) + ' behind, ' + replica.lag + ' s' : replica.state]);
    svg.append(drawn('path', { d: 'M' + (x + 146) + ' ' + (middle + 18) + 'C' + (x + 168) + ' ' + (middle + 18) + ' ' + (x + 168) + ' ' + (y + 18) + ' ' + (x + 190) + ' ' + (y + 18), class: online ? 'up' : 'busy' }));
  });
  $('repl').replaceChildren(svg);
  const more = replicas.length > shown.length ? ', ' + (replicas.length - shown.length) + ' more not shown' : '';
  say('repl-readout', replicas.length ? replicas.length + (replicas.length === 1 ? ' replica' : ' replicas') + more : isReplica ? '' : 'no replicas');
}

function renderCluster() {
  const cluster = data.cluster;
  $('cluster').hidden = !cluster;
  if (!cluster) return;
  const hue = hues(), nodes = cluster.nodes, primaries = nodes.filter((one) => one.primary === -1);
  const shown = primaries.slice(0, 12), widest = Math.max(0, ...shown.map((one) => followers(one).length));
  const columns = 1 + Math.min(widest, 2), width = Math.max(columns * 146 + (columns - 1) * 44, 256);
  const svg = drawn('svg', { viewBox: '0 0 ' + width + ' ' + (22 + shown.length * 46), width: Math.min(width, 520), role: 'img', 'aria-label': 'Cluster' });
  svg.style.maxWidth = '100%';
  const cell = width / cluster.map.length, tint = (place) => place < 0 ? color(place === -1 ? '--bad' : '--weak') : hue[primaries.indexOf(nodes[place]) % hue.length];
  for (let from = 0, to; from < cluster.map.length; from = to) {
    for (to = from; to < cluster.map.length && cluster.map[to] === cluster.map[from]; to += 1);
    svg.append(strip(from * cell, 0, (to - from) * cell, 10, tint(cluster.map[from])));
  }
  shown.forEach((primary, place) => {
    const y = 22 + place * 46, below = followers(primary);
    svg.append(strip(0, y + 38, 146, 3, hue[place % hue.length]));
    node(svg, 0, y, [nameOf(primary), primary.state || count(primary.slots) + ' slots'], kindOf(primary));
    below.slice(0, 2).forEach((replica, column) => {
      const x = (column + 1) * 190, more = column === 1 && below.length > 2 ? ', ' + (below.length - 2) + ' more' : '';
      svg.append(drawn('path', { d: 'M' + (x - 44) + ' ' + (y + 18) + 'h44', class: replica.state ? 'down' : 'up' }));
      node(svg, x, y, [nameOf(replica), (replica.state || 'replica') + more], kindOf(replica));
    });
  });
  $('nodes').replaceChildren(svg);
  say('cluster-readout', (cluster.ok ? 'ok, ' : 'down, ') + cluster.known + ' nodes, epoch ' + cluster.epoch, cluster.ok ? 'readout' : 'readout bad');

  function strip(x, y, width, height, fill) {
    const rect = drawn('rect', { x, y, width, height, class: 'strip' });
    rect.style.fill = fill;
    return rect;
  }
  function followers(primary) {
    return nodes.filter((one) => nodes[one.primary] === primary);
  }
  function nameOf(one) {
    return one.name || one.at;
  }
  function kindOf(one) {
    return one.own ? 'self' : one.state ? 'failed' : '';
  }
}

function renderConfig() {
  rows('config', data.config.map(([name, value, usual]) => make('tr', {},
    make('td', { textContent: name }),
    make('td', {}, value === '' ? '""' : value, make('s', { textContent: usual === '' ? '' : usual, title: 'the default' })))), 'all is as by default');
}

function renderLog() {
  const pane = $('log'), isAtEnd = pane.scrollTop + pane.clientHeight >= pane.scrollHeight - 4;
  pane.replaceChildren(...data.log.map((line) => make('div', { className: / # |level="?warning/.test(line) ? 'warning' : '', textContent: line })));
  if (isAtEnd || pane.dataset.seen !== 'yes') pane.scrollTop = pane.scrollHeight;
  pane.dataset.seen = 'yes';
}

const fields = new Map();

function renderInfo() {
  for (const [field, value] of Object.entries(data.info)) {
    let entry = fields.get(field);
    if (!entry) {
      entry = { text: make('b'), line: make('div') };
      entry.line.append(make('span', { textContent: field, title: field }), entry.text);
      entry.line.dataset.field = field;
      fields.set(field, entry);
      $('info').append(entry.line);
    }
    if (entry.text.textContent !== value) {
      entry.text.textContent = value;
      entry.text.title = value;
    }
    entry.line.hidden = !field.includes(view.filter);
    entry.line.style.display = entry.line.hidden ? 'none' : '';
  }
  for (const [field, entry] of fields) {
    if (!(field in data.info)) {
      entry.line.remove();
      fields.delete(field);
    }
  }
  say('info-readout', [...fields.values()].filter((entry) => !entry.line.hidden).length + ' fields');
}

// ---- the whole

let asked = false;

function render() {
  if (asked || document.hidden) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    renderAll();
  });
}

const changed = { slow: true, log: true, config: true };

function renderAll() {
  renderState();
  if (view.held && view.cursor === null && view.cell === null) return;
  renderInstruments();
  renderHeat();
  if (view.held) return;
  for (const element of document.querySelectorAll('[data-info]')) {
    const text = data.info[element.dataset.info] || '';
    if (element.textContent !== text) element.textContent = text;
  }
  say('uptime', span(number('uptime_in_seconds')));
  say('run', (data.run || '').slice(0, 8));
  document.title = 'Oxidis ' + (data.info.tcp_port || '') + ' · ' + count(at(data.samples[data.samples.length - 1], 'ops')) + '/s';
  renderLoop();
  renderMemory();
  renderHot();
  renderBig();
  renderDatabases();
  renderPersistence();
  renderReplication();
  renderCluster();
  renderSlow();
  if (changed.log) renderLog();
  if (changed.config) renderConfig();
  renderInfo();
  changed.slow = changed.log = changed.config = false;
}

function renderState() {
  const state = document.querySelector('.state');
  const isLost = data.heard === 0 || Date.now() - data.heard > 5000;
  document.body.classList.toggle('lost', isLost && data.run !== null);
  if (isLost) {
    state.className = data.run === null ? 'state' : 'state lost';
    say('state', data.run === null ? 'connecting' : 'silent since ' + clock(data.heard));
  } else if (view.cursor !== null) {
    state.className = 'state held';
    say('state', 'at ' + clock(data.last - view.cursor * 1000));
  } else {
    state.className = view.held ? 'state held' : 'state live';
    say('state', view.held ? 'held' : clock(data.last));
  }
  for (const button of document.querySelectorAll('[data-range]')) button.setAttribute('aria-pressed', String(Number(button.dataset.range) === view.range));
  for (const button of document.querySelectorAll('[data-percentile]')) button.setAttribute('aria-pressed', String(Number(button.dataset.percentile) === view.percentile));
  $('pause').setAttribute('aria-pressed', String(view.held));
}

// ---- what comes

function begin(past) {
  data.names = past.series;
  data.samples = past.samples.slice(-KEPT);
  data.last = past.last;
  data.heat = { column: past.heat.column, step: past.heat.step, rows: new Map(past.heat.rows.map((row) => [row.cmd, row.cells])) };
  data.loop = [];
}

function mergeHeat(heat) {
  const missed = heat.column - data.heat.column;
  if (missed <= 0) return;
  const known = data.heat.rows;
  data.heat.rows = new Map(heat.rows.map((row) => {
    const cells = known.get(row.cmd) || [];
    for (let place = 1; place < missed; place += 1) cells.push(0);
    cells.push(row.cells[0] || 0);
    return [row.cmd, cells.slice(-360)];
  }));
  data.heat.column = heat.column;
}

function take(event) {
  if (data.run !== null && event.info.run_id !== data.run) {
    data.run = event.info.run_id;
    restart();
    return;
  }
  data.run = event.info.run_id;
  data.heard = Date.now();
  data.info = event.info;
  if (event.sample && event.sample.length && event.t - data.last > 400) {
    data.samples.push(event.sample.map((value) => (value === null ? NaN : value)));
    if (data.samples.length > KEPT) data.samples.shift();
  }
  data.last = event.t;
  data.loop.push({ t: event.t, parts: event.loop });
  if (data.loop.length > 6) data.loop.shift();
  if (event.heat) mergeHeat(event.heat);
  data.hot = event.hot || null;
  data.big = event.big || null;
  data.cluster = event.cluster || null;
  for (const name of ['slow', 'log', 'config']) {
    if (event[name]) {
      data[name] = event[name];
      changed[name] = true;
    }
  }
  render();
}

let source = null;

function restart() {
  if (source) source.close();
  source = null;
  setTimeout(connect, 1000);
  render();
}

async function connect() {
  try {
    const answer = await fetch('history', { cache: 'no-store', credentials: 'same-origin' });
    if (!answer.ok) throw new Error(answer.status);
    begin(await answer.json());
  } catch (_) {
    restart();
    return;
  }
  source = new EventSource('events');
  source.onmessage = (message) => take(JSON.parse(message.data));
  source.onerror = restart;
}

// ---- hands

function chooseRange(seconds) {
  view.range = seconds;
  view.cursor = view.cell = null;
  render();
}

function choosePercentile(place) {
  view.percentile = place;
  render();
}

function hold() {
  view.held = !view.held;
  render();
}

function theme(next) {
  const order = ['', 'light', 'dark'], now = root.dataset.theme || '';
  const chosen = next === undefined ? order[(order.indexOf(now) + 1) % 3] : next;
  if (chosen) root.dataset.theme = chosen; else delete root.dataset.theme;
  try { localStorage.setItem('theme', chosen); } catch (_) { /* not allowed to remember */ }
  renderScale();
  render();
}

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $('help').open) return;
  if (event.target === $('filter')) {
    if (event.key === 'Escape') $('filter').blur();
    return;
  }
  const isButton = event.target instanceof HTMLButtonElement;
  const acts = {
    1: () => chooseRange(120), 2: () => chooseRange(900), 3: () => chooseRange(3600),
    p: () => choosePercentile((view.percentile + 1) % 3), t: () => theme(),
    '?': () => $('help').showModal(), '/': () => $('filter').focus(),
    ArrowLeft: () => setCursor((view.cursor || 0) + Math.max(1, Math.round(view.range / 120))),
    ArrowRight: () => setCursor((view.cursor || 0) - Math.max(1, Math.round(view.range / 120))),
    Escape: () => { view.cell = null; setCursor(null); },
    ' ': isButton ? null : hold,
  };
  const act = acts[event.key];
  const scrolls = event.target.classList && event.target.classList.contains('scroll') && event.key.startsWith('Arrow');
  if (act && !scrolls) {
    event.preventDefault();
    act();
  }
});
for (const button of document.querySelectorAll('[data-range]')) button.addEventListener('click', () => chooseRange(Number(button.dataset.range)));
for (const button of document.querySelectorAll('[data-percentile]')) button.addEventListener('click', () => choosePercentile(Number(button.dataset.percentile)));
$('pause').addEventListener('click', hold);
$('theme').addEventListener('click', () => theme());
$('keys').addEventListener('click', () => $('help').showModal());
$('filter').addEventListener('input', () => { view.filter = $('filter').value.trim().toLowerCase(); renderInfo(); });
$('heat').addEventListener('pointermove', heatPointer);
$('heat').addEventListener('pointerleave', () => { view.cell = null; render(); });
$('heat').addEventListener('keydown', heatKey);
window.addEventListener('resize', render);
document.addEventListener('visibilitychange', render);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { renderScale(); render(); });
setInterval(() => { if (Date.now() - data.heard > 5000) render(); }, 1000);

buildInstruments();
let remembered = '';
try { remembered = localStorage.getItem('theme') || ''; } catch (_) { /* not allowed to */ }
theme(remembered);
connect();
