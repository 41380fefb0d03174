import pytest
import torch
from safetensors.torch import save_file
from transformers import BertConfig
from transformers.models.bert.modeling_bert import BertEncoder

from modeling_listen import ListenForConditionalGeneration, ListenProcessor
from recipes.convert_desta2 import main, read_connector
from tests.modeling_listen.backbones import build_audio_model, build_text_model, noise

HIDDEN, QUERIES, DEPTH = 32, 6, 4


class Connector(torch.nn.Module):
    """The connector as DeSTA2 describes it, on BERT's own encoder; one encoder layer after the other."""

    def __init__(self, num_layers: int = 4, intermediate_size: int = 80):
        super().__init__()
        config = BertConfig(
            hidden_size=HIDDEN,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=intermediate_size,
            is_decoder=True,
            add_cross_attention=True,
            attn_implementation="eager",
        )
        self.layer_prompts = torch.nn.ParameterList([torch.randn(1, QUERIES, HIDDEN) for _ in range(num_layers)])
        self.layer_weights = torch.nn.Parameter(torch.randn(QUERIES, num_layers))
        self.qformer = BertEncoder(config)
        self.proj = torch.nn.Sequential(torch.nn.LayerNorm(HIDDEN), torch.nn.Linear(HIDDEN, 48))
        for parameter in self.parameters():
            torch.nn.init.normal_(parameter, std=0.3)

    def forward(self, hidden_states: list[torch.Tensor]) -> torch.Tensor:
        heard = []
        for prompt, states in zip(self.layer_prompts, hidden_states, strict=True):
            queries = prompt.expand(states.shape[0], -1, -1)
            heard.append(self.qformer(queries, encoder_hidden_states=states).last_hidden_state)
        weights = self.layer_weights.softmax(-1)[None, :, :, None]  # (1, queries, layers, 1)
        return self.proj((torch.stack(heard, dim=2) * weights).sum(2))


@pytest.fixture
def backbones(tmp_path):
    audio_model = build_audio_model(tmp_path / "whisper", encoder_layers=DEPTH)
    return audio_model, build_text_model(tmp_path / "llama", "llama")


@pytest.fixture
def connector():
    torch.manual_seed(0)
    return Connector().eval()


def convert(tmp_path, backbones, tensors, *options):
    file = tmp_path / "qformer_connector.pth"
    torch.save(tensors, file)
    audio_model, text_model = map(str, backbones)
    output = tmp_path / "converted"
    arguments = ["--connector", str(file), "--audio_model", audio_model, "--text_model", text_model]
    main([*arguments, "--output", str(output), *options])
    return output


def test_the_adapter_computes_what_the_connector_does(tmp_path, backbones, connector):
    output = convert(tmp_path, backbones, connector.state_dict())

    model = ListenForConditionalGeneration.from_pretrained(output)
    processor = ListenProcessor.from_pretrained(output)

    assert model.config.adapter_config.audio_layers == [0, 1, 2, 3]
    assert model.config.adapter_config.intermediate_size == 80
    features, _ = processor.extract_features([noise(), noise(0.5, seed=1)])
    with torch.no_grad():
        heard = model.get_audio_features(features).pooler_output
        states = model.model.audio_tower(features, output_hidden_states=True).hidden_states
        expected = connector([states[layer] for layer in (0, 1, 2, 3)])
    assert expected.std() > 0.1
    torch.testing.assert_close(heard, expected, atol=1e-5, rtol=1e-5)


def test_fewer_layers_are_evenly_spaced_or_named(tmp_path, backbones):
    connector = Connector(num_layers=2).state_dict()
    spaced = ListenForConditionalGeneration.from_pretrained(convert(tmp_path, backbones, connector))
    assert spaced.config.adapter_config.audio_layers == [1, 3]
    named = convert(tmp_path, backbones, connector, "--audio_layers", "0", "4")
    assert ListenForConditionalGeneration.from_pretrained(named).config.adapter_config.audio_layers == [0, 4]


def test_a_connector_inside_a_whole_model(tmp_path, connector):
    whole = {f"perception.connector.{name}": tensor for name, tensor in connector.state_dict().items()}
    save_file({**whole, "llm.weight": torch.zeros(2)}, tmp_path / "model.safetensors")
    tensors = read_connector(tmp_path / "model.safetensors")
    assert tensors.keys() == connector.state_dict().keys()


@pytest.mark.parametrize("damage", ["missing", "empty", "shape", "lacking"])
def test_what_is_no_connector_says_so(tmp_path, backbones, connector, damage):
    tensors = connector.state_dict()
    if damage == "empty":
        tensors = {"weight": torch.zeros(2)}
    elif damage == "shape":
        tensors["proj.1.weight"] = torch.zeros(7, HIDDEN)
    elif damage == "lacking":
        del tensors["qformer.layer.1.output.dense.bias"]
    with pytest.raises(
        SystemExit, match=r"(?s)cannot convert .*(does not exist|0 connectors|projection|layers\.1\.fc2)"
    ):
        if damage == "missing":
            main(["--connector", str(tmp_path / "nowhere.pth")])
        convert(tmp_path, backbones, tensors)
