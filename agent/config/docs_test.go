package config_test

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/config"
)

// TestEveryExampleOfTheDocumentsIsAccepted loads each yaml block of README.md and
// docs, below the keys that each file needs.
func TestEveryExampleOfTheDocumentsIsAccepted(t *testing.T) {
	root := filepath.Join("..", "..")
	blocks := 0
	for _, page := range pages(t, root) {
		text, err := os.ReadFile(filepath.Join(root, page))
		require.NoError(t, err)
		for i, part := range strings.Split(string(text), "```yaml\n")[1:] {
			block, _, _ := strings.Cut(part, "```")
			if !strings.Contains(block, "\nstation:") {
				block = "station: hamburg/body/line3/st07\ndata_dir: /var/lib/linewatch-agent\n" + block
			}
			_, err := config.Parse(page, []byte(block), root)
			require.NoError(t, err, "%s, example %d:\n%s", page, i+1, block)
			blocks++
		}
	}
	require.Greater(t, blocks, 4)
}

// pages are the documents, as paths in the repository.
func pages(t *testing.T, root string) []string {
	t.Helper()
	found := []string{"README.md"}
	err := fs.WalkDir(os.DirFS(filepath.Join(root, "docs")), ".", func(p string, _ fs.DirEntry, err error) error {
		if path.Ext(p) == ".md" {
			found = append(found, path.Join("docs", p))
		}
		return err
	})
	require.NoError(t, err)
	return found
}
