package conf

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Documents returns what is made of a program's configuration, by path from the
// root of the repository: an example file, a JSON Schema for editors, and the
// reference page.
func Documents(of any, program string) (map[string][]byte, error) {
	schema, err := Schema(of, "configuration of linewatch-"+program)
	if err != nil {
		return nil, err
	}
	intro := fmt.Sprintf("# %s.yaml\n\nMade from the structs in `%s/config`; do not edit (`go generate ./%s/config`). "+
		"How the file is read is in [configuration.md](configuration.md), an example in [`configs/%s.example.yaml`](../configs/%s.example.yaml), "+
		"a JSON Schema for editors in [`configs/%s.schema.json`](../configs/%s.schema.json).\n\n", program, program, program, program, program, program, program)
	head := fmt.Sprintf("# Example of %s.yaml, made from the structs in %s/config.\n# What is commented out has the value shown, or is left out.\n# yaml-language-server: $schema=%s.schema.json\n\n", program, program, program)
	return map[string][]byte{
		"configs/" + program + ".example.yaml":  append([]byte(head), Example(of)...),
		"configs/" + program + ".schema.json":   schema,
		"docs/configuration-" + program + ".md": append([]byte(intro), Reference(of)...),
	}, nil
}

// WriteDocuments writes Documents below root.
func WriteDocuments(root string, of any, program string) error {
	made, err := Documents(of, program)
	if err != nil {
		return err
	}
	for name, content := range made {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}

// CheckDocuments reports each file below root that differs from Documents: what
// a test of the program's config package calls.
func CheckDocuments(root string, of any, program string) error {
	made, err := Documents(of, program)
	if err != nil {
		return err
	}
	var all error
	for name, want := range made {
		have, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil || !bytes.Equal(bytes.ReplaceAll(have, []byte("\r\n"), []byte("\n")), want) {
			all = errors.Join(all, fmt.Errorf("%s is old: run go generate ./%s/config", name, program))
		}
	}
	return all
}
