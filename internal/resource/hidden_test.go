package resource

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"msctl.dev/msctl/internal/stack"
)

// TestPasswordsAreKnown finds what a resource's users are given among what is to be hidden, with a plan
// and without (K1).
func TestPasswordsAreKnown(t *testing.T) {
	folder := t.TempDir()
	secret, err := LoadSecret(folder)
	if err != nil {
		t.Fatal(err)
	}
	c := Choice{Resource: &stack.Resource{Name: "orders-db", Type: "postgres"}, Kind: Postgres, Recipe: Postgres.Recipes[0], Server: "postgres"}
	s := Server{Name: "postgres", Choices: []Choice{c}}
	p := Place{DataDir: filepath.Join(folder, s.Name), Secret: secret, Ports: map[string]int{"postgres": 5432}}
	want := c.Endpoint(p).Password
	if want == "" || !slices.Contains(s.Passwords(p), want) {
		t.Errorf("the password of orders-db is not known")
	}
	if err := os.Mkdir(p.DataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	kept, err := KeptPasswords(folder, []string{"orders-db"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(kept, want) || !slices.Contains(kept, secret) {
		t.Errorf("the password of orders-db is not known without a plan")
	}
	if got, err := KeptPasswords(t.TempDir(), []string{"orders-db"}); got != nil || err != nil {
		t.Errorf("a folder without a secret has passwords: %d, %v", len(got), err)
	}
	unread := t.TempDir()
	if err := os.Mkdir(filepath.Join(unread, "secret"), 0o700); err != nil { // there, and not to be read
		t.Fatal(err)
	}
	if _, err := KeptPasswords(unread, []string{"orders-db"}); err == nil {
		t.Error("passwords that cannot be read are none")
	}
}
