// Compiles a file of kubeflow/compile.py to an Argo workflow, as the backend of Kubeflow Pipelines does.
//
// Its own command does not: it stops for want of a proxy's configuration, and reads no second document. In a checkout of
// kubeflow/pipelines at 2.16.1, with this file copied to backend/src/v2/cmd/drumline/main.go:
//
//	go build -o compiler ./backend/src/v2/cmd/drumline
//
// and KFP_COMPILER=.../compiler ./run test tests/kubeflow/test_compile.py
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/kubeflow/pipelines/api/v2alpha1/go/pipelinespec"
	"github.com/kubeflow/pipelines/backend/src/apiserver/config/proxy"
	"github.com/kubeflow/pipelines/backend/src/v2/compiler/argocompiler"
	"github.com/kubeflow/pipelines/kubernetes_platform/go/kubernetesplatform"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"
	"sigs.k8s.io/yaml"
)

func main() {
	if err := compile(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func compile(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	documents := strings.SplitN(string(text), "\n---\n", 2)
	spec, platform := &pipelinespec.PipelineSpec{}, &pipelinespec.PlatformSpec{}
	if err := parse(documents[0], func(json []byte) error { return protojson.Unmarshal(json, spec) }); err != nil {
		return err
	}
	if err := parse(documents[1], func(json []byte) error { return protojson.Unmarshal(json, platform) }); err != nil {
		return err
	}
	kubernetes := platform.Platforms["kubernetes"]
	for name, executor := range kubernetes.GetDeploymentSpec().GetExecutors() {
		// The driver does so in the pod, where it is late.
		json, err := protojson.Marshal(executor)
		if err != nil {
			return err
		}
		if err := protojson.Unmarshal(json, &kubernetesplatform.KubernetesExecutorConfig{}); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	json, err := protojson.Marshal(spec)
	if err != nil {
		return err
	}
	whole := &structpb.Struct{}
	if err := protojson.Unmarshal(json, whole); err != nil {
		return err
	}
	proxy.InitializeConfig("", "", "")
	job := &pipelinespec.PipelineJob{PipelineSpec: whole}
	workflow, err := argocompiler.Compile(job, kubernetes, &argocompiler.Options{})
	if err != nil {
		return err
	}
	out, err := yaml.Marshal(workflow)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(out)
	return err
}

func parse(document string, into func(json []byte) error) error {
	json, err := yaml.YAMLToJSON([]byte(document))
	if err != nil {
		return err
	}
	return into(json)
}
