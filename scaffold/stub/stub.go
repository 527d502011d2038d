// Package stub makes Go code of a .proto file, as protoc-gen-go and protoc-gen-go-grpc do, without either of
// them being installed.
package stub

import (
	"context"
	_ "embed"
	"fmt"
	"path"
	"text/template"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/protoutil"
	"google.golang.org/protobuf/cmd/protoc-gen-go/internal_gengo"
	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

//go:embed grpc.go.tmpl
var grpcText string

// Make returns the Go files of the .proto file name: that of its messages, and that of its services, whose
// methods must not stream. It reads nothing: a file that imports another than those of protobuf itself is
// refused.
func Make(name string, text []byte) (map[string][]byte, error) {
	base := path.Base(name)
	compiler := protocompile.Compiler{
		Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{
			Accessor: protocompile.SourceAccessorFromMap(map[string]string{base: string(text)}),
		}),
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	files, err := compiler.Compile(context.Background(), base)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	request := &pluginpb.CodeGeneratorRequest{
		FileToGenerate: []string{base}, Parameter: proto.String("paths=source_relative"),
		ProtoFile: withImports(files[0], map[string]bool{}),
	}
	plugin, err := protogen.Options{}.New(request)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	for _, f := range plugin.Files {
		if f.Generate {
			internal_gengo.GenerateFile(plugin, f)
			if err := services(plugin, f); err != nil {
				return nil, fmt.Errorf("read %s: %w", name, err)
			}
		}
	}
	out := map[string][]byte{}
	answer := plugin.Response()
	if answer.Error != nil {
		return nil, fmt.Errorf("make code of %s: %s", name, answer.GetError())
	}
	for _, f := range answer.File {
		out[path.Join(path.Dir(name), f.GetName())] = []byte(f.GetContent())
	}
	return out, nil
}

// withImports returns a file behind those that it imports.
func withImports(f protoreflect.FileDescriptor, seen map[string]bool) []*descriptorpb.FileDescriptorProto {
	if seen[f.Path()] {
		return nil
	}
	seen[f.Path()] = true
	var all []*descriptorpb.FileDescriptorProto
	for i := range f.Imports().Len() {
		all = append(all, withImports(f.Imports().Get(i), seen)...)
	}
	return append(all, protoutil.ProtoFromFileDescriptor(f))
}

// services writes what grpc-go needs to serve and to call.
func services(plugin *protogen.Plugin, f *protogen.File) error {
	if len(f.Services) == 0 {
		return nil
	}
	for _, s := range f.Services {
		for _, m := range s.Methods {
			if m.Desc.IsStreamingClient() || m.Desc.IsStreamingServer() {
				return fmt.Errorf("method %s streams: make it with protoc", m.Desc.FullName())
			}
		}
	}
	t, err := template.New("grpc").Parse(grpcText)
	if err != nil {
		return err
	}
	return t.Execute(plugin.NewGeneratedFile(f.GeneratedFilenamePrefix+"_grpc.pb.go", f.GoImportPath), f)
}
