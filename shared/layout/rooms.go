package layout

import (
	"fmt"
	"go/ast"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

// The pages that lead to all others, and to every package.
const (
	indexPage = "docs/README.md"
	rooms     = "docs/architecture.md"
)

var (
	codeSpan = regexp.MustCompile("`([^`]+)`")
	notSlug  = regexp.MustCompile(`[^a-z0-9 _-]`)
)

// CheckRooms tells what a reader could not find or would look for at a wrong place:
// pages that docs/README.md does not link to, packages that docs/architecture.md does
// not name, headings that a link means and that do not exist, and tests that a table
// names beside a package that does not hold them.
func CheckRooms(fsys fs.FS) ([]Violation, error) {
	files, err := load(fsys)
	if err != nil {
		return nil, err
	}
	pages := map[string]string{}
	err = fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && p != "." && p != "docs" && !strings.HasPrefix(p, "docs/"):
			return fs.SkipDir
		case path.Ext(p) == ".md":
			text, err := fs.ReadFile(fsys, p)
			pages[p] = string(text)
			return err
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var found []Violation
	found = append(found, unlinked(pages)...)
	found = append(found, unnamed(files, pages[rooms])...)
	for _, p := range sortedKeys(pages) {
		found = append(found, badAnchors(p, pages)...)
		found = append(found, wrongPackages(p, pages[p], files)...)
	}
	return found, nil
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// unlinked returns the pages below docs that the index does not lead to: itself, or
// by their folder.
func unlinked(pages map[string]string) []Violation {
	linked := map[string]bool{indexPage: true}
	for _, m := range mdLink.FindAllStringSubmatch(pages[indexPage], -1) {
		target, _, _ := strings.Cut(m[1], "#")
		linked[path.Join("docs", target)] = true
	}
	var found []Violation
	for _, p := range sortedKeys(pages) {
		if strings.HasPrefix(p, "docs/") && !linked[p] && (path.Dir(p) == "docs" || !linked[path.Dir(p)]) {
			found = append(found, Violation{p, "is not linked from " + indexPage})
		}
	}
	return found
}

// unnamed returns the packages that the table of rooms does not name: whole, or
// beside their parent in the same row as `parent` (`child`).
func unnamed(files []file, page string) []Violation {
	named := map[string]bool{}
	for row := range strings.Lines(page) {
		var spans []string
		if strings.HasPrefix(row, "|") {
			for _, m := range codeSpan.FindAllStringSubmatch(row, -1) {
				spans = append(spans, m[1])
			}
		}
		for _, a := range spans {
			named[a] = true
			for _, b := range spans {
				named[a+"/"+b] = true
			}
		}
	}
	var found []Violation
	for _, f := range files {
		if !named[f.dir] {
			named[f.dir] = true
			found = append(found, Violation{f.dir, "is a package that " + rooms + " does not name"})
		}
	}
	return found
}

// badAnchors returns the links of a page to headings that are not there.
func badAnchors(p string, pages map[string]string) []Violation {
	var found []Violation
	for i, line := range strings.Split(pages[p], "\n") {
		for _, m := range mdLink.FindAllStringSubmatch(line, -1) {
			target, anchor, ok := strings.Cut(m[1], "#")
			if !ok || strings.Contains(target, "://") {
				continue
			}
			to := p
			if target != "" {
				to = path.Join(path.Dir(p), target)
			}
			if text, ok := pages[to]; ok && !headings(text)[anchor] {
				found = append(found, Violation{fmt.Sprintf("%s:%d", p, i+1), fmt.Sprintf("links to %s, which has no heading #%s", to, anchor)})
			}
		}
	}
	return found
}

// headings are the anchors of a page, made as GitHub makes them.
func headings(text string) map[string]bool {
	all := map[string]bool{}
	code := false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			code = !code
		}
		if title := strings.TrimLeft(line, "#"); !code && title != line {
			slug := notSlug.ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), "")
			all[strings.ReplaceAll(slug, " ", "-")] = true
		}
	}
	return all
}

// wrongPackages returns the tests that a row of a table names beside packages, in its
// last cell, none of which has them.
func wrongPackages(p, text string, files []file) []Violation {
	tests, dirs := map[string]bool{}, map[string]bool{}
	for _, f := range files {
		dirs[f.dir] = true
		for _, decl := range f.tree.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && f.test {
				tests[f.dir+" "+fn.Name.Name] = true
			}
		}
	}
	var found []Violation
	for i, row := range strings.Split(text, "\n") {
		cells := strings.Split(strings.Trim(row, "| "), "|")
		if !strings.HasPrefix(row, "|") || len(cells) < 2 {
			continue
		}
		var packages []string
		for cell := range strings.SplitSeq(cells[len(cells)-1], ";") {
			packages = append(packages, strings.Trim(cell, "` "))
		}
		if slices.ContainsFunc(packages, func(d string) bool { return !dirs[d] }) {
			continue // no column of packages
		}
		for _, name := range testName.FindAllString(row, -1) {
			if !slices.ContainsFunc(packages, func(d string) bool { return tests[d+" "+name] }) {
				found = append(found, Violation{fmt.Sprintf("%s:%d", p, i+1), "names " + name + ", which is not in " + strings.Join(packages, ", ")})
			}
		}
	}
	return found
}
