"""A chart of what requests cost, as SVG: for each workload how many times as much processor time as ours a peer takes."""

from xml.sax.saxutils import escape

WIDTH, LABELS, FIGURES = 760, 230, 60
BAR, GAP, MARGIN = 13, 9, 12
COLORS = ["#5b7fb5", "#d98c5f", "#7fa66a", "#a77fb5"]
OURS = "#444"


def chart(title, rows, peers):
    """`rows` are pairs of a workload and its ratios, one for each of `peers`; a ratio may be missing (None)."""
    rows = [(name, ratios) for name, ratios in rows if any(ratios)]
    longest = max((ratio for _, ratios in rows for ratio in ratios if ratio), default=1)
    scale = (WIDTH - LABELS - FIGURES - MARGIN) / max(longest, 1)
    row_height = BAR * len(peers) + GAP
    top = 2 * MARGIN + 34
    height = top + row_height * len(rows) + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="{MARGIN}" y="{MARGIN + 12}" font-size="14" font-weight="bold">{escape(title)}</text>',
    ]
    at = MARGIN
    for peer, color in zip(peers, COLORS):
        parts.append(f'<rect x="{at}" y="{MARGIN + 24}" width="10" height="10" fill="{color}"/>')
        parts.append(f'<text x="{at + 15}" y="{MARGIN + 33}">{escape(peer)}</text>')
        at += 30 + 7 * len(peer)
    for number, (name, ratios) in enumerate(rows):
        y = top + number * row_height
        middle = y + BAR * len(peers) / 2 + 4
        parts.append(f'<text x="{LABELS - 8}" y="{middle:.0f}" text-anchor="end">{escape(name)}</text>')
        for index, ratio in enumerate(ratios):
            if not ratio:
                continue
            bar_y, color = y + index * BAR, COLORS[index % len(COLORS)]
            parts.append(f'<rect x="{LABELS}" y="{bar_y}" width="{ratio * scale:.1f}" height="{BAR - 2}" fill="{color}"/>')
            parts.append(f'<text x="{LABELS + ratio * scale + 5:.1f}" y="{bar_y + BAR - 3}" font-size="11">{ratio:.2f}×</text>')
    # Where a peer would take as much as ours.
    x = LABELS + scale
    parts.append(f'<line x1="{x:.1f}" y1="{top - 4}" x2="{x:.1f}" y2="{height - MARGIN}" stroke="{OURS}" '
                 'stroke-dasharray="3 3"/>')
    return "\n".join([*parts, "</svg>"]) + "\n"
