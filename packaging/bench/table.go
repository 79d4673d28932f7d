package bench

import (
	"fmt"
	"math"
	"strings"
)

// Ref names one figure of a run, see [Results].
type Ref struct{ Benchmark, Unit string }

// Figure is one row of the table: what was measured and what it must not exceed
// (or, with AtLeast, not fall below): Factor × a peer of the same run + Plus. With
// no Peer the limit is Plus alone, with neither there is no budget: the figure is
// only stated.
type Figure struct {
	Group, What string
	Of          Ref
	Unit        string  // as shown
	Scale       float64 // shown = measured × Scale; 0 is 1
	Peer        Ref
	PeerName    string
	Factor      float64
	Plus        float64
	AtLeast     bool
}

// Row is a figure with its values.
type Row struct {
	Figure
	Missing      bool // the benchmark did not run
	Value, Limit float64
	Peered       float64 // value of the peer
}

// Rows evaluates figures against a run.
func Rows(figures []Figure, r Results) []Row {
	out := make([]Row, 0, len(figures))
	for _, f := range figures {
		if f.Scale == 0 {
			f.Scale = 1
		}
		row := Row{Figure: f, Limit: f.Plus}
		v, ok := r.get(f.Of)
		row.Value, row.Missing = v*f.Scale, !ok
		if f.Peer != (Ref{}) {
			peer, ok := r.get(f.Peer)
			row.Peered = peer * f.Scale
			row.Limit += f.Factor * row.Peered
			row.Missing = row.Missing || !ok
		}
		out = append(out, row)
	}
	return out
}

// Stated is true for a figure without a budget.
func (r Row) Stated() bool { return r.Factor == 0 && r.Plus == 0 && !(r.Unit == "lost") }

// Met reports whether the budget holds.
func (r Row) Met() bool {
	if r.AtLeast {
		return r.Value >= r.Limit
	}
	return r.Value <= r.Limit
}

// Verdict is "met", "missed by n %", "stated" or "not measured".
func (r Row) Verdict() string {
	switch {
	case r.Missing:
		return "not measured"
	case r.Stated():
		return "stated"
	case r.Met():
		return "met"
	case r.Limit == 0:
		return "**missed**"
	}
	return fmt.Sprintf("**missed by %.0f %%**", math.Ceil(100*math.Abs(r.Value/r.Limit-1)))
}

// limit shows where the limit comes from.
func (r Row) limit() string {
	if r.Missing {
		return ""
	}
	sign := "≤ "
	if r.AtLeast {
		sign = "≥ "
	}
	peer := ""
	if r.Peer != (Ref{}) {
		peer = fmt.Sprintf("%s %s", r.PeerName, round(r.Peered))
	}
	switch {
	case r.Stated():
		return peer
	case peer == "":
		return sign + round(r.Limit)
	case r.Plus == 0:
		return fmt.Sprintf("%s%s = %g × %s", sign, round(r.Limit), r.Factor, peer)
	}
	return fmt.Sprintf("%s%s = %g × %s + %s", sign, round(r.Limit), r.Factor, peer, round(r.Plus))
}

// ratio is measured / limit, or measured / peer where there is no budget.
func (r Row) ratio() string {
	against := r.Limit
	if r.Stated() {
		against = r.Peered
	}
	if r.Missing || against == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", r.Value/against)
}

// round shows three digits that matter, thousands with a comma.
func round(v float64) string {
	switch a := math.Abs(v); {
	case a >= 1000:
		text := fmt.Sprintf("%.0f", v)
		for at := len(text) - 3; at > 0; at -= 3 {
			text = text[:at] + "," + text[at:]
		}
		return text
	case a >= 100 || a == 0:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	case a >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

// Table writes rows as a table of Markdown per group, which reads as plain text too.
func Table(rows []Row) string {
	var out strings.Builder
	group := ""
	for i := 0; i < len(rows); {
		group = rows[i].Group
		cells := [][]string{{"what", "measured", "limit of the same run", "ratio", "verdict"}}
		for ; i < len(rows) && rows[i].Group == group; i++ {
			r := rows[i]
			value := ""
			if !r.Missing {
				value = strings.TrimSpace(round(r.Value) + " " + r.Figure.Unit)
			}
			cells = append(cells, []string{r.What, value, r.limit(), r.ratio(), r.Verdict()})
		}
		fmt.Fprintf(&out, "### %s\n\n%s\n", group, columns(cells))
	}
	return strings.TrimRight(out.String(), "\n") + "\n"
}

// columns aligns the cells; the first row is the head.
func columns(rows [][]string) string {
	width := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], len([]rune(cell)))
		}
	}
	var out strings.Builder
	for n, row := range rows {
		for i, cell := range row {
			out.WriteString("| " + cell + strings.Repeat(" ", width[i]-len([]rune(cell))+1))
		}
		out.WriteString("|\n")
		if n == 0 {
			for _, w := range width {
				out.WriteString("|" + strings.Repeat("-", w+2))
			}
			out.WriteString("|\n")
		}
	}
	return out.String()
}

// The lines of a document between which [Insert] puts the table.
const (
	BeginMark = "<!-- figures: begin (make bench writes what follows) -->"
	EndMark   = "<!-- figures: end -->"
)

// Insert replaces what stands between the marks of a document.
func Insert(document, text string) (string, error) {
	before, rest, ok := strings.Cut(document, BeginMark)
	_, after, closed := strings.Cut(rest, EndMark)
	if !ok || !closed {
		return "", fmt.Errorf("the document lacks the line %q or, behind it, %q", BeginMark, EndMark)
	}
	return before + BeginMark + "\n" + text + EndMark + after, nil
}
