package main

import (
	"fmt"

	"github.com/linewatch/linewatch/shared/evidence/bundle"
)

// whence tells where a trust file comes from.
const whence = `The aggregator prints the trust file: linewatch-aggregator evidence trust > trust.txt
Compare it with the key sheet on paper (linewatch-aggregator agents sheet) or with what the
stations showed at their enrolment: a file that came with the evidence proves nothing.`

// text prints the findings and a sentence for a person.
func (r *report) text(s bundle.Summary, trust bundle.Trust, verdict bundle.Verdict) {
	for _, f := range r.shown {
		r.line(f)
	}
	for i := range r.journals {
		r.journal(&r.journals[i])
	}
	if r.leftOut > 0 {
		fmt.Fprintf(r.out, "… and %d more findings\n", r.leftOut)
	}
	fmt.Fprintf(r.out, "\n%d events of %d logs: %d anchored, %d not anchored; %d withheld (hash only), %d in holes; %d parts do not hold\n",
		s.Events, s.Logs, s.Anchored, s.NotAnchored, s.Withheld, s.Lost, s.Bad)
	if s.Lost > 0 {
		fmt.Fprintln(r.out, "What is in holes is not there. That the station lost it, only an audit.gap of the station says; whoever had the file can have taken it out.")
	}
	switch {
	case verdict == bundle.Bad:
		fmt.Fprintln(r.out, "DOES NOT HOLD: something was changed, or is not what it says it is.")
	case verdict == bundle.Anchored:
		fmt.Fprintln(r.out, "HOLDS, anchored in the trust file.")
	case trust.Empty():
		fmt.Fprintln(r.out, "AGREES WITH ITSELF, NOT ANCHORED: no keys to trust were given (--trust FILE); whoever made this may have made it up.")
		fmt.Fprintln(r.out, whence)
	default:
		fmt.Fprintln(r.out, "AGREES WITH ITSELF, NOT ANCHORED: no key of the trust file signed all of it; is it the file of this plant?")
		fmt.Fprintln(r.out, whence)
	}
}

func (r *report) line(f shownFinding) {
	word := map[bundle.Verdict]string{bundle.Anchored: "holds", bundle.NotAnchored: "not anchored", bundle.Bad: "BAD"}[f.Verdict]
	fmt.Fprintf(r.out, "%s: %s", bundle.Printable(f.Name), word)
	if f.Origin != "" {
		fmt.Fprintf(r.out, "\n  log    %s", bundle.Printable(f.Origin))
	}
	if f.Size > 0 {
		place := fmt.Sprintf("%d", f.Index)
		if f.Count > 1 {
			place = fmt.Sprintf("%d to %d", f.Index, f.Index+f.Count-1)
		}
		fmt.Fprintf(r.out, "\n  leaf   %s, under the checkpoint of size %d", place, f.Size)
	}
	if f.Anchor != "" {
		fmt.Fprintf(r.out, "\n  anchor %s", bundle.Printable(f.Anchor))
	}
	if f.CosignedAt != "" {
		fmt.Fprintf(r.out, " at %s", f.CosignedAt)
	}
	if f.Error != "" {
		fmt.Fprintf(r.out, "\n  reason %s", bundle.Printable(f.Error))
	}
	if f.Hint != "" {
		fmt.Fprintf(r.out, "\n  hint   %s", bundle.Printable(f.Hint))
	}
	if f.Leaf != "" {
		fmt.Fprintf(r.out, "\n  event  %s", bundle.Printable(f.Leaf))
	}
	fmt.Fprintln(r.out)
}
