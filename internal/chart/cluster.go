package chart

import (
	"context"
	"fmt"

	"helm.sh/helm/v4/pkg/action"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset/typed/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/yaml"
)

// fieldManager is who owns the fields of the definitions.
const fieldManager = "holdfast"

// getter gives helm its clients.
type getter struct {
	config    *rest.Config
	namespace string
}

func (g getter) ToRESTConfig() (*rest.Config, error) { return rest.CopyConfig(g.config), nil }

func (g getter) ToDiscoveryClient() (discovery.CachedDiscoveryInterface, error) {
	client, err := discovery.NewDiscoveryClientForConfig(g.config)
	if err != nil {
		return nil, err
	}
	return memory.NewMemCacheClient(client), nil
}

func (g getter) ToRESTMapper() (meta.RESTMapper, error) {
	client, err := g.ToDiscoveryClient()
	if err != nil {
		return nil, err
	}
	return restmapper.NewDeferredDiscoveryRESTMapper(client), nil
}

// ToRawKubeConfigLoader tells the namespace; the connection comes from ToRESTConfig.
func (g getter) ToRawKubeConfigLoader() clientcmd.ClientConfig {
	overrides := &clientcmd.ConfigOverrides{Context: clientcmdapi.Context{Namespace: g.namespace}}
	return clientcmd.NewDefaultClientConfig(*clientcmdapi.NewConfig(), overrides)
}

func (r Release) configuration() (*action.Configuration, error) {
	config := action.NewConfiguration(action.ConfigurationSetLogger(r.Log.Handler()))
	if err := config.Init(getter{r.Config, r.Namespace}, r.Namespace, "secret"); err != nil {
		return nil, fmt.Errorf("prepare release %s: %w", r.Name, err)
	}
	return config, nil
}

// applyDefinitions brings the chart's definitions up to date.
func (r Release) applyDefinitions(ctx context.Context, crds [][]byte) error {
	client, err := apiextensions.NewForConfig(r.Config)
	if err != nil {
		return fmt.Errorf("reach definitions: %w", err)
	}
	force := true
	for _, document := range crds {
		crd, raw, err := definition(document)
		if err != nil {
			return err
		}
		_, err = client.CustomResourceDefinitions().Patch(ctx, crd.Name, types.ApplyPatchType, raw,
			metav1.PatchOptions{FieldManager: fieldManager, Force: &force})
		if err != nil {
			return fmt.Errorf("apply definition %s: %w", crd.Name, err)
		}
	}
	return nil
}

func (r Release) deleteDefinitions(ctx context.Context, crds [][]byte) error {
	client, err := apiextensions.NewForConfig(r.Config)
	if err != nil {
		return fmt.Errorf("reach definitions: %w", err)
	}
	for _, document := range crds {
		crd, _, err := definition(document)
		if err != nil {
			return err
		}
		err = client.CustomResourceDefinitions().Delete(ctx, crd.Name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("delete definition %s: %w", crd.Name, err)
		}
	}
	return nil
}

func definition(document []byte) (*apiextensionsv1.CustomResourceDefinition, []byte, error) {
	raw, err := yaml.YAMLToJSON(document)
	if err != nil {
		return nil, nil, fmt.Errorf("decode definition: %w", err)
	}
	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.Unmarshal(raw, &crd); err != nil {
		return nil, nil, fmt.Errorf("decode definition: %w", err)
	}
	return &crd, raw, nil
}
