// Package cli is what the command lines of both programs share: exit codes,
// secrets from files, tables and JSON, the log.
package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/linewatch/linewatch/shared/conf"
)

// Exit codes of both programs.
const (
	ExitOK        = 0
	ExitFailed    = 1  // it was tried and failed, or a check found something
	ExitUsage     = 2  // the command line or the configuration is wrong
	ExitTemporary = 75 // trying again may help: EX_TEMPFAIL of sysexits.h
)

// ExitError gives an error an exit code of its own.
type ExitError struct {
	Code int
	Err  error
}

func (e *ExitError) Error() string { return e.Err.Error() }

// Unwrap returns the error without its code.
func (e *ExitError) Unwrap() error { return e.Err }

// Usage marks an error as a fault of the command line.
func Usage(format string, args ...any) error {
	return &ExitError{ExitUsage, fmt.Errorf(format, args...)}
}

// Run runs a command line and returns its exit code. SIGINT and SIGTERM end the
// commands' context.
func Run(root *cobra.Command, args []string, in io.Reader, out, errOut io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	root.SilenceErrors, root.SilenceUsage = true, true
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return Usage("%w; see %s --help", err, cmd.CommandPath()) })
	strict(root)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return ExitOK
	}
	fmt.Fprintln(errOut, err)
	if e, ok := errors.AsType[*ExitError](err); ok {
		return e.Code
	}
	// The library finds an unknown command before anything of ours runs.
	if _, ok := errors.AsType[conf.Errors](err); ok || strings.HasPrefix(err.Error(), "unknown command") {
		return ExitUsage
	}
	return ExitFailed
}

// strict makes wrong arguments usage errors. A group of commands (journal) with
// a word that it does not know fails instead of printing its help as a success.
func strict(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return Usage("%s: %w; see %s --help", cmd.Name(), err, cmd.CommandPath())
			}
			return nil
		}
	}
	if c.HasParent() && !c.Runnable() {
		c.RunE = func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return Usage("unknown command %q for %q; see %s --help", args[0], cmd.CommandPath(), cmd.CommandPath())
			}
			return cmd.Help()
		}
	}
	for _, sub := range c.Commands() {
		strict(sub)
	}
}

// JSON writes v as indented JSON.
func JSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// Done says what a command did: the sentence to a person, v to a program.
func Done(out io.Writer, asJSON bool, v any, format string, args ...any) error {
	if asJSON {
		return JSON(out, v)
	}
	_, err := fmt.Fprintf(out, format+"\n", args...)
	return err
}

// Table writes rows under a head, columns aligned.
func Table(out io.Writer, head []string, rows [][]string) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(head, "\t"))
	for _, r := range rows {
		fmt.Fprintln(w, strings.Join(r, "\t"))
	}
	return w.Flush()
}

// Secret reads a password or token: the first line of file, of standard input
// for "-", or typed twice at a terminal when file is "". Secrets never stand on
// a command line; flag is the one that names the file.
func Secret(what, flag, file string, in io.Reader, prompt io.Writer) (string, error) {
	switch {
	case file == "-":
		return firstLine(what, in)
	case file != "":
		f, err := os.Open(file)
		if errors.Is(err, os.ErrNotExist) {
			return "", Usage("%s: %w", what, err)
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", what, err)
		}
		defer f.Close()
		return firstLine(what, f)
	}
	tty, ok := in.(*os.File)
	if !ok || !term.IsTerminal(int(tty.Fd())) {
		return "", Usage("%s: name a file with it: %s FILE (- for standard input)", what, flag)
	}
	var typed [2]string
	for i, text := range []string{what + ": ", "again: "} {
		fmt.Fprint(prompt, text)
		b, err := term.ReadPassword(int(tty.Fd()))
		fmt.Fprintln(prompt)
		if err != nil {
			return "", fmt.Errorf("%s: %w", what, err)
		}
		typed[i] = string(b)
	}
	if typed[0] != typed[1] {
		return "", Usage("%s: the two entries differ", what)
	}
	return typed[0], nil
}

func firstLine(what string, r io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(r, 64<<10)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("%s: %w", what, err)
	}
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", Usage("%s: the first line is empty", what)
	}
	return line, nil
}

// Logger makes the programs' log: text on errOut at the named level.
func Logger(errOut io.Writer, level string) *slog.Logger {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo
	}
	return slog.New(slog.NewTextHandler(errOut, &slog.HandlerOptions{Level: l}))
}

// Progress prints how far long work came, its rate and the time left, at most once
// a second, on a terminal only.
func Progress(w io.Writer, what string) func(done, total uint64) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return func(uint64, uint64) {}
	}
	return progress(w, what, time.Now)
}

func progress(w io.Writer, what string, now func() time.Time) func(done, total uint64) {
	var begun, last time.Time
	var first uint64
	ended := false
	return func(done, total uint64) {
		at := now()
		if begun.IsZero() {
			begun, first = at, done
		}
		if total == 0 || ended || done < total && at.Sub(last) < time.Second {
			return
		}
		last, ended = at, done >= total
		fmt.Fprintf(w, "\r%3d %% of %d %s", done*100/total, total, what)
		if spent := at.Sub(begun).Seconds(); spent > 0 && done > first {
			rate := float64(done-first) / spent
			left := time.Duration(float64(total-min(done, total)) / rate * float64(time.Second)).Round(time.Second)
			fmt.Fprintf(w, ", %.0f a second, %s left   ", rate, left)
		}
		if ended {
			fmt.Fprintln(w)
		}
	}
}
