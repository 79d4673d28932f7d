// Package clitest compares the documents with the command lines of a program: what
// a reader types from a page must be a command of it, with flags that it has.
package clitest

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Documents reports every command line of the program root in README.md and below
// docs of the repository at dir that root does not understand. It fails when it
// finds none at all.
func Documents(t *testing.T, root *cobra.Command, dir string) {
	t.Helper()
	lines := 0
	err := fs.WalkDir(os.DirFS(dir), ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && p != "." && p != "docs" && !strings.HasPrefix(p, "docs/"):
			return fs.SkipDir
		case d.IsDir() || path.Ext(p) != ".md":
			return nil
		}
		text, err := os.ReadFile(path.Join(dir, p))
		if err != nil {
			return err
		}
		for i, line := range strings.Split(string(text), "\n") {
			for _, typed := range typed(root.Name(), line) {
				lines++
				if err := Understands(root, typed); err != nil {
					t.Errorf("%s:%d: %s %s: %v", p, i+1, root.Name(), typed, err)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if lines == 0 {
		t.Fatalf("%s: no page names a command of %s", dir, root.Name())
	}
}

// typed returns what follows the program's name on a line of a page, each up to the
// end of its command: a back-tick, a comment, a pipe, a redirection, a semicolon. The
// name at the end of a path is none.
func typed(program, line string) []string {
	var found []string
	begins := regexp.MustCompile(`(?:^|[^/\w-])`+regexp.QuoteMeta(program)+` `).FindAllStringIndex(line, -1)
	for i, begin := range begins {
		part := line[begin[1]:]
		if i+1 < len(begins) {
			part = line[begin[1]:begins[i+1][0]]
		}
		if end := regexp.MustCompile("`| #| \\\\?\\| |[>;]").FindStringIndex(part); end != nil {
			part = part[:end[0]]
		}
		found = append(found, strings.TrimSpace(part))
	}
	return found
}

// Understands reports whether words of a command line name a command of root, with
// flags that it has. Values are not looked at.
func Understands(root *cobra.Command, words string) error {
	cmd, at := root, true // at: the next word may name a command
	for _, word := range strings.Fields(words) {
		word = strings.Trim(word, "[](),.:…")
		switch name, isFlag := strings.CutPrefix(word, "--"); {
		case word == "" || name == "help":
		case isFlag:
			name, _, _ = strings.Cut(name, "=")
			if cmd.Flags().Lookup(name) == nil && cmd.InheritedFlags().Lookup(name) == nil {
				return fmt.Errorf("%s has no flag --%s", cmd.CommandPath(), name)
			}
		case at && cmd.HasSubCommands():
			sub := child(cmd, word)
			if sub == nil {
				return fmt.Errorf("%s has no command %s", cmd.CommandPath(), word)
			}
			cmd = sub
		default:
			at = false
		}
	}
	return nil
}

// child is the command of that name; of "a|b" all must be there.
func child(cmd *cobra.Command, word string) *cobra.Command {
	var found *cobra.Command
	for name := range strings.SplitSeq(word, "|") {
		found = nil
		for _, c := range cmd.Commands() {
			if c.Name() == name {
				found = c
			}
		}
		if found == nil {
			return nil
		}
	}
	return found
}
