package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/linewatch/linewatch/shared/carry"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/evidence/bundle"
)

// errKind says that a file is evidence of no kind we know.
var errKind = errors.New("neither a proof, nor a bundle, nor the .segments of a journal")

// verifyPath verifies a file, all files of a directory, or the standard input.
func verifyPath(v *bundle.Verifier, rep *report, name string, in io.Reader, p progress) error {
	if name == "-" {
		return verify(v, "standard input", in)
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	switch {
	case info.IsDir():
		return verifyFolder(v, rep, name)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no regular file", name)
	case filepath.Ext(name) == carry.Segments:
		return verifyOneLog(v, rep, name)
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	r, done := p.reader(f, info.Size())
	defer done()
	return verify(v, name, r)
}

// verifyFolder verifies the *.tlog-proof and *.bundle files below a folder, and
// the exports of journals, in the order of their names, and follows no links out of
// it. What can't be read stops the others not.
func verifyFolder(v *bundle.Verifier, rep *report, name string) error {
	root, err := os.OpenRoot(name)
	if err != nil {
		return err
	}
	defer root.Close()
	var failed []error
	n := 0
	err = fs.WalkDir(root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !evident(p) {
			return err
		}
		n++
		if err := verifyIn(v, rep, root, name, p); err != nil && len(failed) < maxBadShown {
			failed = append(failed, err)
		}
		return nil
	})
	if n == 0 && err == nil {
		err = fmt.Errorf("%s has no .tlog-proof, no .bundle and no .segments files", name)
	}
	return errors.Join(append(failed, err)...)
}

// evident says whether a file of a folder is looked at.
func evident(name string) bool {
	switch path.Ext(name) {
	case ".tlog-proof", ".bundle", carry.Segments:
		return true
	}
	return path.Base(name) == carry.IndexName
}

// verifyIn verifies one file of a folder.
func verifyIn(v *bundle.Verifier, rep *report, root *os.Root, folder, name string) error {
	switch {
	case path.Base(name) == carry.IndexName:
		return named(folder, rep.index(root.FS(), name))
	case path.Ext(name) == carry.Segments:
		return named(folder, errors.Join(rep.whole(root.FS(), path.Dir(name)), verifyLog(v, rep, root.FS(), folder, name)))
	}
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return verify(v, filepath.Join(folder, name), f)
}

// verify looks at the first line to tell proofs from bundles.
func verify(v *bundle.Verifier, name string, r io.Reader) error {
	head := bufio.NewReader(r)
	first, err := head.Peek(len(bundle.Header))
	if err != nil && err != io.EOF {
		return fmt.Errorf("%s: %w", name, err)
	}
	switch {
	case bytes.Equal(first, []byte(bundle.Header)):
		return v.Bundle(name, head)
	case bytes.HasPrefix(first, []byte("c2sp.org/tlog-proof")):
		text, err := io.ReadAll(io.LimitReader(head, evidence.MaxProofText+1))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		v.Proof(name, text)
		return nil
	}
	return fmt.Errorf("%s: %w", name, errKind)
}
