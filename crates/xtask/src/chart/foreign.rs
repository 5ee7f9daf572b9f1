//! The fields of kinds that are not Kubernetes' own, as far as the chart and the samples use them: what is not in
//! these tables is misspelt, or wants a line here. In the words of [`super::models`], with `!` behind what has to be
//! there and `;` between fields.
//!
//! From their projects' references: the Prometheus operator's v1, cert-manager's v1, Kueue's v1beta2, Karpenter's v1 and
//! v1alpha1, and eksctl's schema of v1alpha5.

/// A kind with its version, and what it is.
pub(super) const KINDS: [(&str, &str, &str); 10] = [
    (
        "monitoring.coreos.com/v1",
        "ServiceMonitor",
        "metadata!: V1ObjectMeta; spec!: ServiceMonitorSpec",
    ),
    ("cert-manager.io/v1", "Certificate", "metadata!: V1ObjectMeta; spec!: CertificateSpec"),
    ("cert-manager.io/v1", "Issuer", "metadata!: V1ObjectMeta; spec!: IssuerSpec"),
    ("config.kueue.x-k8s.io/v1beta2", "Configuration", "resources!: KueueResources"),
    (
        "kueue.x-k8s.io/v1beta2",
        "ResourceFlavor",
        "metadata!: V1ObjectMeta; spec: ResourceFlavorSpec",
    ),
    ("kueue.x-k8s.io/v1beta2", "ClusterQueue", "metadata!: V1ObjectMeta; spec!: ClusterQueueSpec"),
    ("kueue.x-k8s.io/v1beta2", "LocalQueue", "metadata!: V1ObjectMeta; spec!: LocalQueueSpec"),
    ("karpenter.sh/v1", "NodePool", "metadata!: V1ObjectMeta; spec!: NodePoolSpec"),
    ("karpenter.sh/v1alpha1", "NodeOverlay", "metadata!: V1ObjectMeta; spec!: NodeOverlaySpec"),
    (
        "eksctl.io/v1alpha5",
        "ClusterConfig",
        "metadata!: EksctlMetadata; nodeGroups: list[EksctlNodeGroup]",
    ),
];

/// The types of their parts.
pub(super) const PARTS: [(&str, &str); 23] = [
    ("ServiceMonitorSpec", "selector!: V1LabelSelector; endpoints!: list[MonitorEndpoint]"),
    ("MonitorEndpoint", "port: str; interval: str; path: str; scheme: str"),
    ("CertificateSpec", "secretName!: str; dnsNames: list[str]; issuerRef!: CertIssuerRef"),
    ("CertIssuerRef", "name!: str; kind: str; group: str"),
    ("IssuerSpec", "selfSigned: object"),
    (
        "KueueResources",
        "transformations: list[KueueTransformation]; excludeResourcePrefixes: list[str]",
    ),
    ("KueueTransformation", "input!: str; strategy: str; outputs: dict[str, str]"),
    (
        "ResourceFlavorSpec",
        "nodeLabels: dict[str, str]; nodeTaints: list[V1Taint]; tolerations: list[V1Toleration]",
    ),
    (
        "ClusterQueueSpec",
        "namespaceSelector: V1LabelSelector; resourceGroups: list[KueueResourceGroup]",
    ),
    ("KueueResourceGroup", "coveredResources!: list[str]; flavors!: list[KueueFlavorQuotas]"),
    ("KueueFlavorQuotas", "name!: str; resources!: list[KueueQuota]"),
    ("KueueQuota", "name!: str; nominalQuota!: str; borrowingLimit: str; lendingLimit: str"),
    ("LocalQueueSpec", "clusterQueue!: str"),
    (
        "NodePoolSpec",
        "template!: NodePoolTemplate; disruption: NodePoolDisruption; limits: dict[str, str]; weight: int",
    ),
    ("NodePoolTemplate", "metadata: NodePoolMetadata; spec!: NodeClaimSpec"),
    ("NodePoolMetadata", "labels: dict[str, str]; annotations: dict[str, str]"),
    (
        "NodeClaimSpec",
        "nodeClassRef!: NodeClassRef; requirements!: list[NodeRequirement]; taints: list[V1Taint]; startupTaints: list[V1Taint]",
    ),
    ("NodeClassRef", "group!: str; kind!: str; name!: str"),
    ("NodeRequirement", "key!: str; operator!: str; values: list[str]; minValues: int"),
    ("NodePoolDisruption", "consolidationPolicy: str; consolidateAfter!: str"),
    (
        "NodeOverlaySpec",
        "requirements!: list[NodeRequirement]; capacity: dict[str, str]; weight: int",
    ),
    ("EksctlMetadata", "name!: str; region!: str; version: str"),
    (
        "EksctlNodeGroup",
        "name!: str; instanceType: str; minSize: int; maxSize: int; labels: dict[str, str]; taints: list[V1Taint]; tags: dict[str, str]",
    ),
];

/// Each as a name and its fields.
pub(super) fn all() -> impl Iterator<Item = (&'static str, String)> {
    let kinds = KINDS
        .iter()
        .map(|(_, kind, fields)| (*kind, format!("apiVersion!: str; kind!: str; {fields}")));
    kinds.chain(PARTS.iter().map(|(name, fields)| (*name, (*fields).to_owned())))
}

/// Whether a kind of this version is in the tables; none where its group is not foreign.
pub(super) fn knows(version: &str, kind: &str) -> Option<bool> {
    let group = |version: &str| version.split('/').next().map(str::to_owned);
    KINDS
        .iter()
        .any(|(its, _, _)| group(its) == group(version))
        .then(|| KINDS.iter().any(|(its, name, _)| (*its, *name) == (version, kind)))
}
