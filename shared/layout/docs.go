package layout

import (
	"fmt"
	"go/ast"
	"io/fs"
	"path"
	"regexp"
	"strings"
)

var (
	testName = regexp.MustCompile(`\b(?:Test|Benchmark|Fuzz)[A-Z][A-Za-z0-9_]+\b`)
	mdLink   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
)

// CheckDocs reads the documents (README.md and everything below docs) and returns
// every test that one names and that does not exist, and every link to a file that
// is not there: a claim without the command that shows it.
func CheckDocs(fsys fs.FS) ([]Violation, error) {
	files, err := load(fsys)
	if err != nil {
		return nil, err
	}
	tests := map[string]bool{}
	for _, f := range files {
		for _, decl := range f.tree.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && f.test {
				tests[fn.Name.Name] = true
			}
		}
	}
	var found []Violation
	err = fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if p != "." && p != "docs" && !strings.HasPrefix(p, "docs/") {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(p) != ".md" {
			return nil
		}
		text, err := fs.ReadFile(fsys, p)
		if err != nil {
			return err
		}
		found = append(found, checkDoc(fsys, p, string(text), tests)...)
		return nil
	})
	return found, err
}

func checkDoc(fsys fs.FS, p, text string, tests map[string]bool) []Violation {
	var found []Violation
	code := false // inside a fence: brackets there are no links
	for i, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			code = !code
		}
		place := fmt.Sprintf("%s:%d", p, i+1)
		for _, name := range testName.FindAllString(line, -1) {
			if !tests[name] {
				found = append(found, Violation{place, "names " + name + ", which does not exist"})
			}
		}
		if code {
			continue
		}
		for _, m := range mdLink.FindAllStringSubmatch(line, -1) {
			target, _, _ := strings.Cut(m[1], "#")
			if target == "" || strings.Contains(target, "://") {
				continue
			}
			if _, err := fs.Stat(fsys, path.Join(path.Dir(p), target)); err != nil {
				found = append(found, Violation{place, "links to " + target + ", which does not exist"})
			}
		}
	}
	return found
}
