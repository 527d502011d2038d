package stub_test

import (
	"strings"
	"testing"

	"msctl.dev/msctl/scaffold/stub"
)

const good = `syntax = "proto3";
package a.v1;
option go_package = "example.com/a/api;api";
// S does things.
service S {
  // M is one.
  rpc M(In) returns (Out);
}
message In { string id = 1; }
message Out {}
`

func TestMake(t *testing.T) {
	files, err := stub.Make("services/a/api/a.proto", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	for name, parts := range map[string][]string{
		"services/a/api/a.pb.go":      {"package api\n", "type In struct {", "func (x *In) GetId() string {"},
		"services/a/api/a_grpc.pb.go": {"package api\n", `"/a.v1.S/M"`, "\t// M is one.\n\tM(context.Context, *In) (*Out, error)\n", "// S does things.\ntype SServer interface {"},
	} {
		for _, part := range parts {
			if !strings.Contains(string(files[name]), part) {
				t.Errorf("%s lacks %q:\n%s", name, part, files[name])
			}
		}
	}
	if len(files) != 2 {
		t.Errorf("got %d files, want 2", len(files))
	}
}

// TestRefused is L1: nothing else is read, and what cannot be made is said.
func TestRefused(t *testing.T) {
	for _, text := range []string{
		"", "syntax", strings.Replace(good, "package", `import "/etc/passwd"; package`, 1),
		strings.Replace(good, "package", `import "../other.proto"; package`, 1),
		strings.Replace(good, "(In)", "(stream In)", 1), strings.Replace(good, "option go_package", "// option go_package", 1),
		strings.Replace(good, "(In)", "(Missing)", 1),
	} {
		if files, err := stub.Make("a.proto", []byte(text)); err == nil {
			t.Errorf("%s: made %d files", text, len(files))
		}
	}
}
