package layout

import (
	"os"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func TestAReaderFindsEveryPageAndEveryPackage(t *testing.T) {
	found, err := CheckRooms(os.DirFS("../.."))
	require.NoError(t, err)
	for _, v := range found {
		t.Error(v)
	}
}

func TestPlantedHiddenRoomsAreFound(t *testing.T) {
	found, err := CheckRooms(fstest.MapFS{
		"README.md":              {Data: []byte("[a](docs/a.md#two-words) [b](docs/a.md#three) [web](https://example.org/#x)\n")},
		"docs/README.md":         {Data: []byte("[a](a.md) [why](decisions/) [rooms](architecture.md)\n")},
		"docs/a.md":              {Data: []byte("# Two words\n| `TestIn` | shared/x |\n| `TestIn` | shared/x/y |\n| `TestIn` | anywhere |\n")},
		"docs/lost.md":           {Data: []byte("\n")},
		"docs/decisions/1.md":    {Data: []byte("\n")},
		"docs/formats/f.md":      {Data: []byte("\n")},
		"docs/architecture.md":   {Data: []byte("`shared/w`\n| `shared/x` (`y`) | |\n")},
		"shared/x/x_test.go":     {Data: []byte("package x\n\nfunc TestIn() {}\n")},
		"shared/x/y/y.go":        {Data: []byte("package y\n")},
		"shared/w/w.go":          {Data: []byte("package w\n")},
		"shared/w/another.go":    {Data: []byte("package w\n")},
		"shared/x/testdata/z.go": {Data: []byte("package z\n")},
	})
	require.NoError(t, err)
	require.Equal(t, []Violation{
		{"docs/formats/f.md", "is not linked from docs/README.md"},
		{"docs/lost.md", "is not linked from docs/README.md"},
		{"shared/w", "is a package that docs/architecture.md does not name"},
		{"README.md:1", "links to docs/a.md, which has no heading #three"},
		{"docs/a.md:3", "names TestIn, which is not in shared/x/y"},
	}, found)
}
