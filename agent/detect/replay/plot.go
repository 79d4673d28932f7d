package replay

import (
	"fmt"
	"html"
	"io"
	"math"
	"strings"
	"time"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/detect/words"
	"github.com/linewatch/linewatch/shared/event"
)

// Sizes of the figure in pixels.
const (
	width, panel = 1200, 260
	left, right  = 80, 20
	top, bottom  = 30, 24
	maxListed    = 40 // findings that are written out below
)

// Colours by severity, readable on white and on print.
func colour(s event.Severity) string {
	switch s {
	case event.SeverityCritical:
		return "#c3141d"
	case event.SeverityHigh:
		return "#d45f00"
	case event.SeverityMedium:
		return "#a88600"
	case event.SeverityLow:
		return "#7748b0"
	}
	return "#1a5a9e"
}

// Plot draws an SVG: for each signal its curve, the band of what is usual, its
// limits and a numbered mark for each finding, with the sentences below.
func (r *Result) Plot(w io.Writer, signals map[string]config.Signal) error {
	var marks []Event
	for _, e := range r.Events {
		if e.Type != event.TypeSignalCurve && e.Type != event.TypeSignalLearning {
			marks = append(marks, e)
		}
	}
	height := len(r.Series)*panel + 30 + 18*min(len(marks)+1, maxListed+2)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="Inter, Helvetica, Arial, sans-serif" font-size="12" fill="#1c2329">`,
		width, height, width, height)
	b.WriteString(`<rect width="100%" height="100%" fill="#ffffff"/>` + "\n")
	for i, s := range r.Series {
		f := frame{res: r, series: s, y: float64(i * panel)}
		f.scale(signals[s.Name])
		f.draw(&b, signals[s.Name], marks)
	}
	y := len(r.Series)*panel + 24
	for i, e := range marks {
		if i == maxListed {
			fmt.Fprintf(&b, `<text x="%d" y="%d">and %d more</text>`+"\n", left, y, len(marks)-i)
			break
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d"><tspan fill="%s" font-weight="600">%d</tspan>  %s  %s</text>`+"\n",
			left, y, colour(e.Severity), i+1, e.At.Format("2006-01-02 15:04:05"), html.EscapeString(event.Shorten(e.Sentence(), 165)))
		y += 18
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// Sentence says what was found, for people.
func (e Event) Sentence() string {
	if text, ok := e.Data["explanation"].(string); ok {
		return text
	}
	return strings.TrimSpace(e.Signal + " " + e.Condition)
}

// frame is the panel of one signal.
type frame struct {
	res       *Result
	series    *Series
	y         float64
	low, high float64
}

// scale finds the range of values: of the curve and of limits near it.
func (f *frame) scale(cfg config.Signal) {
	f.low, f.high = math.Inf(1), math.Inf(-1)
	for i := range f.series.Low {
		f.low, f.high = min(f.low, f.series.Low[i]), max(f.high, f.series.High[i])
	}
	span := max(f.high-f.low, 1e-9)
	for _, v := range limitsOf(cfg) {
		if v > f.low-span && v < f.high+span {
			f.low, f.high = min(f.low, v), max(f.high, v)
		}
	}
	margin := 0.06 * max(f.high-f.low, math.Abs(f.high)*1e-6, 1e-9)
	f.low, f.high = f.low-margin, f.high+margin
}

func limitsOf(cfg config.Signal) (out []float64) {
	if cfg.Limits == nil {
		return nil
	}
	for _, v := range []*float64{cfg.Limits.HiHi, cfg.Limits.Hi, cfg.Limits.Lo, cfg.Limits.LoLo} {
		if v != nil {
			out = append(out, *v)
		}
	}
	return out
}

func (f *frame) px(at time.Time) float64 {
	span := max(f.res.To.Sub(f.res.From).Seconds(), 1e-9)
	return left + (width-left-right)*at.Sub(f.res.From).Seconds()/span
}

func (f *frame) py(v float64) float64 {
	v = min(max(v, f.low), f.high)
	return f.y + top + (panel-top-bottom)*(f.high-v)/(f.high-f.low)
}

func (f *frame) draw(b *strings.Builder, cfg config.Signal, marks []Event) {
	fmt.Fprintf(b, `<text x="%d" y="%.0f" font-weight="600">%s</text>`, left, f.y+18, html.EscapeString(strings.TrimSpace(f.series.Name+" "+f.series.Unit)))
	fmt.Fprintf(b, `<rect x="%d" y="%.0f" width="%d" height="%d" fill="#f7f8f9" stroke="#d0d5da"/>`, left, f.y+top, width-left-right, panel-top-bottom)
	for _, v := range []float64{f.low, (f.low + f.high) / 2, f.high} {
		fmt.Fprintf(b, `<text x="%d" y="%.1f" text-anchor="end">%s</text>`, left-6, f.py(v)+4, words.Number(v, f.high-f.low))
	}
	for i := range 5 {
		at := f.res.From.Add(f.res.To.Sub(f.res.From) / 4 * time.Duration(i))
		fmt.Fprintf(b, `<text x="%.1f" y="%.0f" text-anchor="%s" fill="#4d5963">%s</text>`, f.px(at), f.y+panel-8,
			[]string{"start", "middle", "middle", "middle", "end"}[i], at.Format("01-02 15:04:05"))
	}
	f.band(b)
	for _, v := range limitsOf(cfg) {
		fmt.Fprintf(b, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#c3141d" stroke-dasharray="6 4"/>`, left, width-right, f.py(v), f.py(v))
	}
	f.curve(b)
	const apart = 16 // pixels between two numbers
	labelled := -1e9
	for i, e := range marks {
		if e.Signal != f.series.Name {
			continue
		}
		x := f.px(e.At)
		fmt.Fprintf(b, `<line x1="%.1f" x2="%.1f" y1="%.0f" y2="%.0f" stroke="%s" stroke-opacity=".6"/>`, x, x, f.y+top, f.y+panel-bottom, colour(e.Severity))
		if x-labelled >= apart {
			labelled = x
			fmt.Fprintf(b, `<text x="%.1f" y="%.0f" text-anchor="middle" font-weight="600" fill="%s">%d</text>`, x, f.y+top-3, colour(e.Severity), i+1)
		}
	}
	b.WriteByte('\n')
}

// band draws each stretch in which it is known as one area.
func (f *frame) band(b *strings.Builder) {
	bands := f.series.Bands
	for i := 0; i < len(bands); i++ {
		if !bands[i].Known {
			continue
		}
		first := i
		for i+1 < len(bands) && bands[i+1].Known {
			i++
		}
		end := func(k int) float64 {
			if k+1 < len(bands) {
				return f.px(bands[k+1].At)
			}
			return f.px(f.res.To)
		}
		fmt.Fprintf(b, `<path fill="#d6e3f0" d="M%.1f %.1f`, f.px(bands[first].At), f.py(bands[first].High))
		for k := first; k <= i; k++ {
			fmt.Fprintf(b, "V%.1fH%.1f", f.py(bands[k].High), end(k))
		}
		for k := i; k >= first; k-- {
			fmt.Fprintf(b, "V%.1fH%.1f", f.py(bands[k].Low), f.px(bands[k].At))
		}
		b.WriteString(`Z"/>`)
	}
}

// curve draws the area between smallest and largest values, at least a line.
func (f *frame) curve(b *strings.Builder) {
	s := f.series
	b.WriteString(`<path fill="none" stroke="#1c2329" stroke-width="1" stroke-linejoin="round" d="`)
	for i := range s.At {
		letter := byte('L')
		if i == 0 {
			letter = 'M'
		}
		x := f.px(s.At[i])
		fmt.Fprintf(b, "%c%.1f %.1f", letter, x, f.py(s.Low[i]))
		if s.High[i] != s.Low[i] {
			fmt.Fprintf(b, "L%.1f %.1f", x, f.py(s.High[i]))
		}
	}
	b.WriteString(`"/>`)
}
