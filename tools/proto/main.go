// Command proto writes the Go code of a gRPC service. It needs no installed
// compiler: the schema is compiled here, and the two plugins are tools of this
// module, at versions that go.mod fixes.
//
//	go run -C tools/proto . -schema FILE.proto -out FOLDER -package IMPORT/PATH
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

func main() {
	log.SetFlags(0)
	schema := flag.String("schema", "", "what to compile")
	out := flag.String("out", "", "folder of the written files")
	goPackage := flag.String("package", "", "import path of that folder")
	flag.Parse()
	if err := generate(*schema, *out, *goPackage); err != nil {
		log.Fatal(err)
	}
}

func generate(schema, out, goPackage string) error {
	name := filepath.Base(schema)
	compiler := protocompile.Compiler{SourceInfoMode: protocompile.SourceInfoStandard,
		Resolver: &protocompile.SourceResolver{ImportPaths: []string{filepath.Dir(schema)}}}
	files, err := compiler.Compile(context.Background(), name)
	if err != nil {
		return err
	}
	request := &pluginpb.CodeGeneratorRequest{FileToGenerate: []string{name},
		Parameter: proto.String("paths=source_relative,M" + name + "=" + goPackage),
		ProtoFile: []*descriptorpb.FileDescriptorProto{protodesc.ToFileDescriptorProto(files[0])}}
	for _, plugin := range []string{"protoc-gen-go", "protoc-gen-go-grpc"} {
		if err := run(plugin, request, out); err != nil {
			return fmt.Errorf("%s: %w", plugin, err)
		}
	}
	return nil
}

// run hands the request to a plugin and writes the files it answers with.
func run(plugin string, request *pluginpb.CodeGeneratorRequest, out string) error {
	in, err := proto.Marshal(request)
	if err != nil {
		return err
	}
	cmd := exec.Command("go", "tool", plugin)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
	answer, err := cmd.Output()
	if err != nil {
		return err
	}
	var response pluginpb.CodeGeneratorResponse
	if err := proto.Unmarshal(answer, &response); err != nil {
		return err
	}
	if response.Error != nil {
		return errors.New(*response.Error)
	}
	for _, file := range response.File {
		if err := os.WriteFile(filepath.Join(out, file.GetName()), []byte(file.GetContent()), 0o644); err != nil {
			return err
		}
	}
	return nil
}
