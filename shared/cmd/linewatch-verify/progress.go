package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// progress shows on a terminal how much of a large file is read.
type progress struct {
	out io.Writer // nil: not a terminal
	now func() time.Time
}

func newProgress(errOut io.Writer) progress {
	p := progress{now: time.Now}
	if f, ok := errOut.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.out = f
	}
	return p
}

// reader returns r with its progress shown; done wipes the line.
func (p progress) reader(r io.Reader, size int64) (counted io.Reader, done func()) {
	if p.out == nil || size < 16<<20 {
		return r, func() {}
	}
	return &countedReader{progress: p, r: r, size: size, next: p.now().Add(time.Second)}, func() { fmt.Fprint(p.out, "\r\x1b[K") }
}

type countedReader struct {
	progress
	r    io.Reader
	read int64
	size int64
	next time.Time
}

func (c *countedReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.read += int64(n)
	if now := c.now(); now.After(c.next) {
		c.next = now.Add(time.Second / 4)
		fmt.Fprintf(c.out, "\r%d %% of %d MB read", 100*c.read/c.size, c.size>>20)
	}
	return n, err
}
