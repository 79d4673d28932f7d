// Command linewatch-verify checks evidence offline: proofs of single events and
// bundles of proofs and whole logs, against keys that the reader got another way.
// It needs no configuration, no network and nothing else of Linewatch.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/linewatch/linewatch/shared/carry"
	"github.com/linewatch/linewatch/shared/evidence/bundle"
	"github.com/linewatch/linewatch/shared/version"
)

// Exit codes.
const (
	exitAnchored    = 0 // all holds, by keys of the trust file
	exitBad         = 1 // something does not hold
	exitNotAnchored = 2 // all agrees with itself, but no trusted key says so
	exitUsage       = 3 // wrong arguments, a file can't be read, a bad trust file
)

const usage = `linewatch-verify [--trust FILE] [--json] PROOF|BUNDLE|DIRECTORY...

       linewatch-verify witness --help

Checks evidence offline. PROOF is the .tlog-proof file of one event, BUNDLE a
collection of proofs and logs, DIRECTORY holds files of both kinds, or is what
linewatch-agent journal export wrote (of which a single .segments file will do,
too), "-" is the standard input.

Keys in the evidence are never believed. The trust file names those that are, as
printed at enrolment or published by the plant, one a line (linewatch-aggregator
evidence trust prints it, to be compared with the key sheet on paper):

  ledger <instance> <base64 key>                an aggregator's own logs, and the
                                                stations that they admit
  witness <name> <base64 key> [until <time>]    who must have seen that ledger,
  quorum <number>                               and how many of them
  station <agent id> <base64 key or SHA-256>    a station
  log <origin> <base64 key> <after> <last>      a key of one log and its sizes
  cosigner <name> <base64 key> [until <time>]   whose word alone is enough

A cosignature that states a time after "until" (2026-01-02T03:04:05Z) counts nothing.
A witness or cosigner that changed its key has a line for each, and counts once.

Exit codes: 0 all holds and is anchored in the trust file; 1 something does not
hold; 2 all agrees with itself, but is not anchored: whoever made it may have made
it up; 3 wrong use, an unreadable file, a mistake in the trust file.

`

// softMemory is where the garbage collector begins to work harder: what a hostile
// bundle makes us keep is less, the rest is waste.
const softMemory = 40 << 20

func main() {
	debug.SetMemoryLimit(softMemory)
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

func run(args []string, in io.Reader, out, errOut io.Writer) int {
	if len(args) > 0 && args[0] == "witness" {
		return runWitness(args[1:], out, errOut)
	}
	flags := flag.NewFlagSet("linewatch-verify", flag.ContinueOnError)
	flags.SetOutput(errOut)
	flags.Usage = func() { fmt.Fprint(errOut, usage); flags.PrintDefaults() }
	trustFile := flags.String("trust", "", "`FILE` with the keys to trust")
	asJSON := flags.Bool("json", false, "print one JSON object")
	showVersion := flags.Bool("version", false, "print the version")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitAnchored
	case err != nil:
		return exitUsage
	case *showVersion:
		fmt.Fprintln(out, "linewatch-verify", version.String())
		return exitAnchored
	case flags.NArg() == 0:
		flags.Usage()
		return exitUsage
	}
	trust, err := readTrust(*trustFile)
	if err != nil {
		fmt.Fprintln(errOut, "linewatch-verify:", err)
		return exitUsage
	}
	rep := newReport(out, *asJSON)
	v := bundle.NewVerifier(trust, rep.add)
	var failed []error
	for _, arg := range flags.Args() {
		if err := verifyPath(v, rep, arg, in, newProgress(errOut)); err != nil {
			failed = append(failed, err)
		}
	}
	v.Close()
	return rep.finish(v.Summary(), trust, failed, errOut)
}

func readTrust(path string) (bundle.Trust, error) {
	if path == "" {
		return bundle.Trust{}, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return bundle.Trust{}, err
	}
	defer f.Close()
	trust, err := bundle.ParseTrust(f)
	if err != nil {
		return bundle.Trust{}, fmt.Errorf("%s: %w", path, err)
	}
	if trust.Empty() {
		return bundle.Trust{}, fmt.Errorf("%s names no key", path)
	}
	return trust, nil
}

// How many findings are shown; the counts tell of the others.
const (
	maxBadShown   = 1000
	maxOtherShown = 100
)

// report collects findings for the screen or for a program.
type report struct {
	out     io.Writer
	json    bool
	shown   []shownFinding
	bad     int
	other   int
	leftOut int
	// journals are the logs of exports that were read.
	journals []journalLog
	looked   map[string]bool // folders without an index that were told of
}

// shownFinding is one finding in the JSON output.
type shownFinding struct {
	Verdict    bundle.Verdict `json:"verdict"`
	Name       string         `json:"name"`
	Origin     string         `json:"origin,omitempty"`
	Index      uint64         `json:"index"`
	Count      uint64         `json:"count"`
	Size       uint64         `json:"size,omitempty"`
	Anchor     string         `json:"anchor,omitempty"`
	CosignedAt string         `json:"cosigned_at,omitempty"`
	Hint       string         `json:"hint,omitempty"`
	Error      string         `json:"error,omitempty"`
	Leaf       string         `json:"leaf,omitempty"`
}

func newReport(out io.Writer, asJSON bool) *report { return &report{out: out, json: asJSON} }

func (r *report) add(f bundle.Finding) {
	count, limit := &r.other, maxOtherShown
	if f.Verdict == bundle.Bad {
		count, limit = &r.bad, maxBadShown
	}
	if *count >= limit {
		r.leftOut++
		return
	}
	*count++
	s := shownFinding{
		Verdict: f.Verdict, Name: f.Name, Origin: f.Origin, Index: f.Index, Count: f.Count, Size: f.Size, Anchor: f.Anchor, Hint: f.Hint, Leaf: string(f.Leaf),
	}
	if !f.CosignedAt.IsZero() {
		s.CosignedAt = f.CosignedAt.Format("2006-01-02T15:04:05Z")
	}
	if f.Err != nil {
		s.Error = f.Err.Error()
	}
	r.shown = append(r.shown, s)
}

// finish prints the outcome and returns the exit code.
func (r *report) finish(s bundle.Summary, trust bundle.Trust, failed []error, errOut io.Writer) int {
	verdict := s.Verdict()
	code := map[bundle.Verdict]int{bundle.Anchored: exitAnchored, bundle.NotAnchored: exitNotAnchored, bundle.Bad: exitBad}[verdict]
	unread := false
	var texts []string
	for _, err := range failed {
		texts = append(texts, bundle.Printable(err.Error()))
		if errors.Is(err, bundle.ErrBundle) || errors.Is(err, errKind) || errors.Is(err, carry.ErrExport) {
			verdict, code = bundle.Bad, exitBad
		} else {
			unread = true
		}
	}
	if unread && code != exitBad {
		code = exitUsage
	}
	if r.json {
		enc := json.NewEncoder(r.out)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(map[string]any{
			"verdict": verdict, "exit": code, "summary": s, "findings": r.shown, "left_out": r.leftOut, "errors": texts, "journals": r.journals,
		}); err != nil {
			return exitUsage
		}
		return code
	}
	for _, t := range texts {
		fmt.Fprintln(errOut, "linewatch-verify:", t)
	}
	if s.Events == 0 && len(r.shown) == 0 && len(failed) > 0 {
		// Nothing could be judged: no verdict that a person could take for one.
		fmt.Fprintln(r.out, "NOTHING WAS VERIFIED: what was given could not be read as evidence.")
		return code
	}
	r.text(s, trust, verdict)
	return code
}
