// Package layout checks the shape of the code itself: which package may import
// which, that every package says what it is, and that files and functions stay
// short enough to be read in one sitting. It is run as a normal test.
package layout

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Module is the import path of the repository.
const Module = "github.com/linewatch/linewatch"

// The limits on size, in lines.
const (
	MaxFileLines     = 500
	MaxFunctionLines = 80
)

// Violation is one place that breaks a rule.
type Violation struct {
	Place string // file, or file:line
	Rule  string // a sentence
}

func (v Violation) String() string { return v.Place + ": " + v.Rule }

// file is one parsed Go file.
type file struct {
	path    string // within the repository
	dir     string
	test    bool
	made    bool // generated
	lines   int
	tree    *ast.File
	fset    *token.FileSet
	imports []string
}

// Check reads all Go files below fsys and returns every violation, in the order
// of the files. An error means that a file could not be read or parsed.
func Check(fsys fs.FS) ([]Violation, error) {
	files, err := load(fsys)
	if err != nil {
		return nil, err
	}
	var found []Violation
	found = append(found, checkSizes(files)...)
	found = append(found, checkPackageComments(files)...)
	for _, f := range files {
		for _, imp := range f.imports {
			if rule := forbidden(f, imp); rule != "" {
				found = append(found, Violation{f.path, fmt.Sprintf("imports %s: %s", imp, rule)})
			}
		}
	}
	return found, nil
}

func load(fsys fs.FS) ([]file, error) {
	var files []file
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if skipDir(d.Name()) && p != "." {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") {
			return nil
		}
		f, err := parse(fsys, p)
		if err != nil {
			return err
		}
		files = append(files, f)
		return nil
	})
	return files, err
}

func skipDir(name string) bool {
	return name == "node_modules" || name == "testdata" || strings.HasPrefix(name, ".") || name == "bin"
}

func parse(fsys fs.FS, p string) (file, error) {
	src, err := fs.ReadFile(fsys, p)
	if err != nil {
		return file{}, err
	}
	fset := token.NewFileSet()
	tree, err := parser.ParseFile(fset, p, src, parser.ParseComments)
	if err != nil {
		return file{}, fmt.Errorf("layout: %w", err)
	}
	f := file{
		path: p, dir: path.Dir(p), test: strings.HasSuffix(p, "_test.go"), made: ast.IsGenerated(tree),
		lines: strings.Count(string(src), "\n"), tree: tree, fset: fset,
	}
	for _, imp := range tree.Imports {
		f.imports = append(f.imports, strings.Trim(imp.Path.Value, `"`))
	}
	return f, nil
}

func checkSizes(files []file) []Violation {
	var found []Violation
	for _, f := range files {
		if f.made {
			continue
		}
		if f.lines > MaxFileLines {
			found = append(found, Violation{f.path, fmt.Sprintf("has %d lines, at most %d", f.lines, MaxFileLines)})
		}
		for _, d := range f.tree.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			from, to := f.fset.Position(fn.Pos()).Line, f.fset.Position(fn.End()).Line
			if n := to - from + 1; n > MaxFunctionLines {
				found = append(found, Violation{
					fmt.Sprintf("%s:%d", f.path, from),
					fmt.Sprintf("function %s has %d lines, at most %d", fn.Name.Name, n, MaxFunctionLines),
				})
			}
		}
	}
	return found
}

// checkPackageComments wants exactly one package comment in each package; test
// packages of their own need none.
func checkPackageComments(files []file) []Violation {
	comments := map[string]int{}
	shipped := map[string]bool{}
	var dirs []string
	for _, f := range files {
		if f.test {
			continue
		}
		if !slices.Contains(dirs, f.dir) {
			dirs = append(dirs, f.dir)
		}
		shipped[f.dir] = true
		if f.tree.Doc != nil && !f.made {
			comments[f.dir]++
		}
	}
	var found []Violation
	for _, dir := range dirs {
		if n := comments[dir]; shipped[dir] && n != 1 {
			found = append(found, Violation{dir, fmt.Sprintf("has %d package comments, must have exactly one", n)})
		}
	}
	return found
}
