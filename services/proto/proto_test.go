package proto_test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

// TestGeneratedIsFresh compiles the contracts anew and compares what the generators make of them with
// the files beside them.
func TestGeneratedIsFresh(t *testing.T) {
	files := contracts(t)
	if len(files) == 0 {
		t.Fatal("there are no contracts")
	}
	req, err := proto.Marshal(request(t, files))
	if err != nil {
		t.Fatal(err)
	}
	made := 0
	for _, plugin := range []string{"protoc-gen-go", "protoc-gen-go-grpc"} {
		cmd := exec.CommandContext(t.Context(), "go", "tool", "-modfile=tools.mod", plugin)
		cmd.Stdin, cmd.Stderr = bytes.NewReader(req), os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("run %s: %v", plugin, err)
		}
		var resp pluginpb.CodeGeneratorResponse
		if err := proto.Unmarshal(out, &resp); err != nil || resp.GetError() != "" {
			t.Fatalf("run %s: %v %s", plugin, err, resp.GetError())
		}
		for _, f := range resp.File {
			made++
			if committed, err := os.ReadFile(f.GetName()); err != nil || string(committed) != f.GetContent() {
				t.Errorf("%s is stale, `go generate ./services/proto` makes it anew", f.GetName())
			}
		}
	}
	if made != 2*len(files) {
		t.Errorf("%d files were made, want %d", made, 2*len(files))
	}
}

// contracts are the paths of the .proto files, as they import each other.
func contracts(t *testing.T) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".proto") {
			found = append(found, filepath.ToSlash(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// request is what a compiler asks of a generator.
func request(t *testing.T, files []string) *pluginpb.CodeGeneratorRequest {
	t.Helper()
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{}),
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	linked, err := compiler.Compile(t.Context(), files...)
	if err != nil {
		t.Fatalf("compile: %v", err)
	}
	req := &pluginpb.CodeGeneratorRequest{FileToGenerate: files, Parameter: proto.String("paths=source_relative")}
	seen := map[string]bool{}
	for _, f := range linked {
		add(f, seen, &req.ProtoFile)
	}
	return req
}

// add appends f behind what it imports.
func add(f protoreflect.FileDescriptor, seen map[string]bool, to *[]*descriptorpb.FileDescriptorProto) {
	if seen[f.Path()] {
		return
	}
	seen[f.Path()] = true
	for i := range f.Imports().Len() {
		add(f.Imports().Get(i).FileDescriptor, seen, to)
	}
	*to = append(*to, protodesc.ToFileDescriptorProto(f))
}
