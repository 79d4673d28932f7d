package layout

import (
	"os"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func TestDocumentsNameOnlyTestsAndFilesThatExist(t *testing.T) {
	found, err := CheckDocs(os.DirFS("../.."))
	require.NoError(t, err)
	for _, v := range found {
		t.Error(v)
	}
}

func TestPlantedFalseClaimsOfDocumentsAreFound(t *testing.T) {
	found, err := CheckDocs(fstest.MapFS{
		"README.md":        {Data: []byte("see [a](docs/a.md), [b](docs/b.md) and `TestThere`\n`TestGone` [web](https://example.org/x)\n```\nf[a](b)\n```\n")},
		"docs/a.md":        {Data: []byte("[up](../README.md#x)\n")},
		"shared/x_test.go": {Data: []byte("package x\n\nimport \"testing\"\n\nfunc TestThere(t *testing.T) {}\n")},
	})
	require.NoError(t, err)
	require.Equal(t, []Violation{
		{"README.md:1", "links to docs/b.md, which does not exist"},
		{"README.md:2", "names TestGone, which does not exist"},
	}, found)
}
