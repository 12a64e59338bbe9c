"""What the operations of ArcGIS services do, and the parameters that say more of it: data, no decisions. Names are
lower-case.

Sources: Esri's REST reference, and the call sites of the JavaScript SDK and the ArcGIS API for Python; the classes
are ours. What is not here is unknown, and unknown is an edit.
"""

from typing import Final

from proxy import names


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_COMMON: Final = "info iteminfo metadata layers tables relationships legend querylegends thumbnail jobs"

READ: Final[dict[str, frozenset[str]]] = {
    service: _words(f"{_COMMON} {words}")
    for service, words in {
        "mapserver": "export identify find query queryrelatedrecords queryattachments attachments htmlpopup images"
        " generaterenderer tile tilemap wmts dynamiclayer kml querydomains datadictionary",
        "featureserver": "query queryrelatedrecords queryattachments attachments htmlpopup images generaterenderer"
        " query3d querytopfeatures querybins querydatebins queryanalytic querydomains querydataelements"
        " querycontingentvalues fieldgroups contingentvalues getestimates validatesql replicas tile tilemap",
        "imageserver": "exportimage identify query getsamples computehistograms computestatisticshistograms"
        " computepixellocation computeangles calculatevolume measure measurefromimage project imagetomap"
        " imagetomapmultiray maptoimage getimageurl find queryboundary querygpsinfo colormap histograms statistics"
        " keyproperties rasterattributetable rasterfunctioninfos multidimensionalinfo slices variables image images"
        " tile tilemap wmts",
        "vectortileserver": "tile tilemap resources styles",
        "geocodeserver": "findaddresscandidates suggest reversegeocode",
        "naserver": "retrievetravelmodes network",
        "geometryserver": "project buffer union intersect simplify cut densify difference distance generalize"
        " labelpoints lengths areasandlengths offset relation reshape trimextend autocomplete convexhull"
        " togeocoordinatestring fromgeocoordinatestring findtransformations",
        "gpserver": "results inputs messages",
        "versionmanagementserver": "versions versioninfos differences conflicts",
        "utilitynetworkserver": "trace traceconfigurations associations unitidentifiers circuits query"
        " synthesizeassociationgeometries",
        "knowledgegraphserver": "graph query search datamodel querydatamodel clientdata",
        "streamserver": "subscribe",
        "globeserver": "animations",
        "ogcfeatureserver": "",
        "sceneserver": "",
        "3dtilesserver": "",
        "videoserver": "",
        # Known to be services; nothing but their description is a read.
        "geodataserver": "",
        "parcelfabricserver": "",
        "validationserver": "",
        "networkdiagramserver": "",
        "indexingserver": "",
        "geoanalyticsserver": "",
    }.items()
}

# They make files, cost credits or let raw data out, but change nothing. `createreplica` is judged by its `syncModel`.
EXECUTE: Final[dict[str, frozenset[str]]] = {
    "mapserver": _words("exporttiles estimateexporttilessize generatekml"),
    "featureserver": _words("extractchanges convert3d"),
    "imageserver": _words("download file exporttiles estimateexporttilessize"),
    "vectortileserver": _words("exporttiles estimateexporttilessize"),
    "geocodeserver": _words("geocodeaddresses"),
    "naserver": _words("solve solveservicearea solveclosestfacility solveodcostmatrix"),
}

# Everything below them is read by GET, whatever it is called.
READ_BY_GET: Final = _words("sceneserver 3dtilesserver videoserver ogcfeatureserver")

# Services whose first segment is a name that their publisher chose: a task, a network layer.
NAMED_PARTS: Final = _words("gpserver naserver")

# Below them names are data: tile numbers, image hashes, style sheets, the parameters of a job.
DATA_FOLDERS: Final = _words(
    "tile tilemap wmts images image resources styles results inputs info thumbnail kml variables slices network"
)
# What is an edit even there: a server that reads a path another way must not be led by it.
NEVER_DATA: Final = _words(
    "add addattachment addfeatures alter append applyedits broadcast calculate cancel create createreplica delete"
    " deleteattachments deletefeatures edit execute exts post reconcile restorerows startediting stopediting submitjob"
    " synchronizereplica unregisterreplica update updateattachment updatefeatures upload uploads"
    " addtodefinition deletefromdefinition updatedefinition truncate"
)

# Administration and credentials, and what makes a server fetch a URL of the caller's choice: Esri's older proxies, which
# may take our token along in the URL, and (below `sharing`) a portal's own.
RESTRICTED: Final = _words(
    "admin manager portaladmin tokens generatetoken revoketoken webadaptor uploads login logout oauth2"
    " proxy.ashx proxy.jsp proxy.php"
)
RESTRICTED_SHARING: Final = _words("proxy kml rss")
OPEN_DIRECTORIES: Final = _words("arcgisoutput arcgisjobs")

PORTAL_PLACES: Final = _words("content community portals")  # below them the names are people's own
PORTAL_READ: Final = _words(
    "community content data featuredgroups groups info items self portals relateditems resources search thumbnail"
    " users usertags comments rating metadata layers roles"
)
PORTAL_NAMED: Final = _words("items users groups portals")  # the next segment is an id or a user's name
PORTAL_FOLDERS: Final = _words("data info resources thumbnail")
PORTAL_EXECUTE: Final = _words("export")

OGC_SERVERS: Final = _words("wmsserver wfsserver wcsserver wpsserver wmtsserver wms wfs wcs wps wmts")
# These can change data or run something by a POST whose body says so.
OGC_BY_BODY: Final = _words("wfsserver wpsserver wfs wps")
OGC_READ: Final = _words(
    "getcapabilities getmap getfeatureinfo getlegendgraphic getstyles describelayer gettile describefeaturetype"
    " getfeature getpropertyvalue liststoredqueries describestoredqueries getcoverage describecoverage describeprocess"
)
OGC_EXECUTE: Final = _words("execute")

SOAP_READ: Final = ("get", "query", "identify", "find", "export", "requires")
SOAP_NO_READ: Final = ("exportreplica", "exportacknowledge")  # they move a replica on

# Parameters whose value may be `{"url": …}`, which the server then fetches; that are a URL; that are XML with links.
FETCHING: Final = _words(
    "geometry geometries geometry1 geometry2 polygons polylines cutter target stops facilities incidents"
    " barriers pointbarriers linebarriers polygonbarriers polylinebarriers raster rasters renderingrule mosaicrule"
)
FETCHING_URLS: Final = _words("sld serviceurl sourceurl")
FETCHING_XML: Final = "sld_body"
# Parameters that may name a source of data
LAYER_SOURCES: Final = ("dynamiclayers", "layer", "layers")
# All parameters that are looked into
JUDGED: Final = frozenset(
    (
        names.FORMAT,
        names.CALLBACK,
        "request",
        "syncmodel",
        "wsdl",
        *LAYER_SOURCES,
        *FETCHING,
        *FETCHING_URLS,
        FETCHING_XML,
    )
)
