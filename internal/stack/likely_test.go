package stack

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestLikely: what looks like a secret is known as one, and plain words are not (K1).
func TestLikely(t *testing.T) {
	getenv := func(name string) string { return map[string]string{"CLOUD_KEY": "from-env-1"}[name] }
	tests := []struct {
		v    Var
		want []string
	}{
		{Var{Name: "API_TOKEN", Value: "abc123"}, []string{"abc123"}},
		{Var{Name: "PASSWORD", Value: "postgres"}, nil},
		{Var{Name: "PASSPHRASE", Value: "correct horse battery"}, []string{"correct horse battery"}},
		{Var{Name: "MAX_TOKENS", Value: "4096"}, nil},
		{Var{Name: "DB", Value: "postgres://me:hunter2@db/x"}, []string{"hunter2"}},
		{Var{Name: "DB", Value: "postgres://me:${db.password}@db/x"}, nil},
		{Var{Name: "LEVEL", Value: "info", Literal: true}, nil},
		{Var{Name: "STRIPE", Value: "sk_live_4242424242424242", Literal: true}, []string{"sk_live_4242424242424242"}},
		{Var{Name: "PLACE", Value: "/var/lib/some/long/path/1"}, nil},
		{Var{Name: "X", Value: "${env:CLOUD_KEY}"}, []string{"from-env-1"}},
		{Var{Name: "X", Value: "${env:HOME}"}, nil},
	}
	for _, tt := range tests {
		st := &Stack{Services: []*Service{{Env: []Var{tt.v}}}}
		got := slices.DeleteFunc(st.likely(getenv), func(s string) bool { return s == "" })
		if diff := cmp.Diff(tt.want, got); diff != "" && len(tt.want)+len(got) > 0 {
			t.Errorf("%s=%s: %s", tt.v.Name, tt.v.Value, diff)
		}
	}
	if (*Stack)(nil).likely(getenv) != nil {
		t.Error("a stack that is not there has values")
	}
}
