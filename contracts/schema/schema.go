// Package schema finds out how the methods of gRPC services look, from a server's reflection or from
// .proto files, so that calls can be made and answered with JSON and without generated code.
package schema

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/bufbuild/protocompile"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// Files knows the methods of some services.
type Files struct{ files *protoregistry.Files }

// methodForm is "package.Service/Method", with or without a slash before it.
var methodForm = regexp.MustCompile(`^/?([A-Za-z_][\w.]*)/([A-Za-z_]\w*)`)

// Name returns the service and method that a text begins with.
func Name(text string) (service, method string, ok bool) {
	m := methodForm.FindStringSubmatch(text)
	if m == nil {
		return "", "", false
	}
	return m[1], m[2], true
}

// Method returns one method.
func (f *Files) Method(service, method string) (protoreflect.MethodDescriptor, error) {
	d, err := f.files.FindDescriptorByName(protoreflect.FullName(service))
	if err != nil {
		return nil, fmt.Errorf("there is no service %s", service)
	}
	s, ok := d.(protoreflect.ServiceDescriptor)
	if !ok {
		return nil, fmt.Errorf("%s is no service", service)
	}
	m := s.Methods().ByName(protoreflect.Name(method))
	if m == nil {
		return nil, fmt.Errorf("service %s has no method %s", service, method)
	}
	return m, nil
}

// Reflect asks a server for the files that describe one of its services.
func Reflect(ctx context.Context, conn grpc.ClientConnInterface, service string) (*Files, error) {
	stream, err := grpc_reflection_v1.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask for reflection: %w", err)
	}
	defer stream.CloseSend()
	r := reader{stream: stream, seen: map[string]*descriptorpb.FileDescriptorProto{}}
	err = r.ask(&grpc_reflection_v1.ServerReflectionRequest{
		MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: service},
	})
	if err != nil {
		return nil, fmt.Errorf("ask for reflection of %s: %w", service, err)
	}
	set := &descriptorpb.FileDescriptorSet{}
	for _, f := range r.seen {
		set.File = append(set.File, f)
	}
	files, err := protodesc.NewFiles(set)
	if err != nil {
		return nil, fmt.Errorf("read reflection of %s: %w", service, err)
	}
	return &Files{files}, nil
}

// reader collects files by reflection.
type reader struct {
	stream grpc_reflection_v1.ServerReflection_ServerReflectionInfoClient
	seen   map[string]*descriptorpb.FileDescriptorProto
}

// maxFiles bounds how many files a server may draw in.
const maxFiles = 1000

// ask sends one request, and another for each file that the answer imports.
func (r *reader) ask(req *grpc_reflection_v1.ServerReflectionRequest) error {
	if err := r.stream.Send(req); err != nil {
		return err
	}
	resp, err := r.stream.Recv()
	if err != nil {
		return err
	}
	if e := resp.GetErrorResponse(); e != nil {
		return fmt.Errorf("%s", e.GetErrorMessage())
	}
	var imports []string
	for _, raw := range resp.GetFileDescriptorResponse().GetFileDescriptorProto() {
		f := &descriptorpb.FileDescriptorProto{}
		if err := proto.Unmarshal(raw, f); err != nil {
			return err
		}
		r.seen[f.GetName()] = f
		imports = append(imports, f.GetDependency()...)
	}
	for _, name := range imports {
		if r.seen[name] != nil {
			continue
		}
		if len(r.seen) > maxFiles {
			return fmt.Errorf("more than %d files", maxFiles)
		}
		if err := r.ask(&grpc_reflection_v1.ServerReflectionRequest{
			MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_FileByFilename{FileByFilename: name},
		}); err != nil {
			return err
		}
	}
	return nil
}

// never are folders that hold other people's files.
var never = []string{"node_modules", "venv", "vendor", "__pycache__", "target", "dist"}

// healthService is what libraries for gRPC bring along: a stack that calls it has no .proto file of it.
const healthService = "grpc.health.v1.Health"

// Read compiles the .proto files below root that declare one of the services. A file is imported by its
// path from root or from any folder above it. gRPC's own health service needs none.
func Read(ctx context.Context, root string, services []string) (*Files, error) {
	paths, err := find(root)
	if err != nil {
		return nil, fmt.Errorf("look for .proto files: %w", err)
	}
	out := &Files{new(protoregistry.Files)}
	for _, service := range services {
		file := ""
		for _, p := range paths {
			if declares(p, service) {
				file = p
			}
		}
		if file == "" && service == healthService {
			if err := out.add(grpc_health_v1.File_grpc_health_v1_health_proto); err != nil {
				return nil, err
			}
			continue
		}
		if file == "" {
			return nil, fmt.Errorf("no .proto file below %s declares service %s", root, service)
		}
		if err := out.compile(ctx, root, file); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (f *Files) compile(ctx context.Context, root, file string) error {
	roots := []string{}
	for dir := filepath.Dir(file); ; dir = filepath.Dir(dir) {
		roots = append(roots, dir)
		if dir == root || dir == filepath.Dir(dir) {
			break
		}
	}
	slices.Reverse(roots) // the longest import paths first
	c := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: roots})}
	var last error
	for _, from := range roots {
		name, err := filepath.Rel(from, file)
		if err != nil {
			return err
		}
		compiled, err := c.Compile(ctx, filepath.ToSlash(name))
		if err != nil {
			last = err
			continue
		}
		return f.add(compiled[0])
	}
	return fmt.Errorf("compile %s: %w", file, last)
}

// add registers a file after those that it imports.
func (f *Files) add(file protoreflect.FileDescriptor) error {
	if _, err := f.files.FindFileByPath(file.Path()); err == nil {
		return nil
	}
	for i := range file.Imports().Len() {
		if err := f.add(file.Imports().Get(i).FileDescriptor); err != nil {
			return err
		}
	}
	return f.files.RegisterFile(file)
}

// find returns the .proto files below root.
func find(root string) ([]string, error) {
	var out []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil // what cannot be read declares nothing
		case d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || slices.Contains(never, d.Name())):
			return filepath.SkipDir
		case strings.HasSuffix(path, ".proto") && d.Type().IsRegular():
			out = append(out, path)
		}
		return nil
	})
	return out, err
}

// declares reports whether a file declares a service of that full name, without compiling it.
func declares(file, service string) bool {
	text, err := os.ReadFile(file)
	if err != nil {
		return false
	}
	i := strings.LastIndexByte(service, '.')
	has := func(pattern string) bool {
		ok, _ := regexp.Match(`(?m)^\s*`+pattern, text)
		return ok
	}
	return has(`service\s+`+regexp.QuoteMeta(service[i+1:])+`\b`) && (i < 0 || has(`package\s+`+regexp.QuoteMeta(service[:i])+`\s*;`))
}
