package resource_test

import (
	"slices"
	"testing"

	"msctl.dev/msctl/internal/resource"
)

// TestKinds checks what help, reference pages and Resolve take for granted of every row.
func TestKinds(t *testing.T) {
	names := map[string]bool{}
	for _, k := range resource.Kinds {
		if k.Name == "" || k.Doc == "" || len(k.Recipes) == 0 || names[k.Name] {
			t.Errorf("kind %q lacks a name, a line or a recipe, or is there twice", k.Name)
		}
		names[k.Name] = true
		order := []int{}
		for _, r := range k.Recipes {
			order = append(order, slices.Index(resource.Runtimes, r.Runtime))
			if r.Runtime == resource.InEngine && k != resource.Container && len(r.Images) == 0 {
				t.Errorf("%s in a container has no image", k.Name)
			}
			if r.Runtime == resource.Native && (len(r.Programs) == 0 || len(r.Packages) == 0) {
				t.Errorf("native %s does not say what it needs", k.Name)
			}
		}
		if !slices.IsSorted(order) {
			t.Errorf("%s: recipes are not in order of preference", k.Name)
		}
	}
}
