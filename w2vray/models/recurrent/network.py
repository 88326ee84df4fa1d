"""``lstm``, ``gru``: a recurrent layer over the words, one feature vector a text, dropout, a dense layer.

Source: Hochreiter and Schmidhuber, "Long Short-Term Memory", 1997; Cho et al., "Learning Phrase Representations using
RNN Encoder-Decoder", 2014 (doi:10.3115/v1/D14-1179).

Shape letters: CONTRIBUTING.md.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from w2vray.models.recurrent.settings import LstmSettings, RecurrentSettings
from w2vray.models.recurrent.stepped_recurrence import gru_states, lstm_states
from w2vray.models.word_vectors import ReadWords

__all__ = ["RecurrentModel"]


class RecurrentModel(nn.Module):
    """The state after a text's last word, or each number's maximum over time; padding is never read.

    In both directions, the state after the last word stands beside the one that was made from the end to the first
    word. A text without words has the state that every text starts with: zero.
    """

    def __init__(self, dim: int, classes: int, settings: RecurrentSettings) -> None:
        super().__init__()
        lstm = isinstance(settings, LstmSettings)
        layer = nn.LSTM if lstm else nn.GRU
        self.states = lstm_states if lstm else gru_states
        self.pooling = settings.pooling
        self.input_dropout = nn.Dropout(settings.input_dropout)
        self.recurrent = layer(dim, settings.hidden, batch_first=True, bidirectional=settings.bidirectional)
        self.dropout = nn.Dropout(settings.dropout)
        self.dense = nn.Linear(settings.hidden * (2 if settings.bidirectional else 1), classes)

    def forward(self, vectors_BTD: Tensor, lengths_B: Tensor) -> Tensor:
        """Return logits_BC; vectors behind a text's length are not looked at."""
        logits_BC: Tensor = self.dense(self.dropout(self.features(vectors_BTD, lengths_B)))
        return logits_BC

    def features(self, vectors_BTD: Tensor, lengths_B: Tensor) -> Tensor:
        """Return features_BF."""
        texts = len(lengths_B)
        if not texts:  # a packed batch holds at least one text: give it one, and take nothing of what comes out
            vectors_BTD, lengths_B = vectors_BTD.new_zeros(1, *vectors_BTD.shape[1:]), lengths_B.new_zeros(1)
        # a packed text has at least one word, too; what comes of a text without words is replaced below
        lengths = lengths_B.clamp(min=1).cpu()
        packed = pack_padded_sequence(self.input_dropout(vectors_BTD), lengths, batch_first=True, enforce_sorted=False)
        states, last = self.recurrent(packed)
        if self.pooling == "max":
            states_BTF, _ = pad_packed_sequence(states, batch_first=True, padding_value=float("-inf"))
            features_BF = states_BTF.amax(dim=1)
        else:
            last_states = (
                last[0] if isinstance(last, tuple) else last
            )  # of each direction; an LSTM's cell is left aside
            features_BF = torch.cat(tuple(last_states), dim=1)
        return features_BF.masked_fill((lengths_B == 0)[:, None], 0.0)[:texts]

    def read(self, words: ReadWords, lengths_B: Tensor) -> Tensor:
        """Return logits_BC of one text or more, on a CPU in less time."""
        starts_B = lengths_B.cumsum(0) - lengths_B
        steps_B, order_B = lengths_B.clamp(min=1).sort(descending=True, stable=True)  # no word is one of zeros
        step_L, text_L = (torch.arange(int(steps_B[0]))[:, None] < steps_B).nonzero(as_tuple=True)
        places_L = (starts_B[order_B[text_L]] + step_L).masked_fill(lengths_B[order_B[text_L]] == 0, -1)
        vectors_LD = words(places_L, self.input_dropout.p * self.training)
        counts_T = step_L.bincount()
        before_T = counts_T.cumsum(0) - counts_T
        from_end_L = before_T[steps_B[text_L] - 1 - step_L] + text_L
        ends_B, texts = steps_B - 1, len(steps_B)
        if self.pooling == "max":  # a text's last state again and again behind it
            read_TB = before_T[torch.arange(len(counts_T))[:, None].minimum(ends_B)] + torch.arange(texts)
        else:
            read_TB = (before_T[ends_B] + torch.arange(texts))[None]
        features = []
        for backward, weights in enumerate(self.recurrent.all_weights):
            words_LD = vectors_LD.index_select(0, from_end_L) if backward else vectors_LD
            states_LH = self.states(words_LD, counts_T, weights)
            features.append(states_LH.index_select(0, read_TB.flatten()).view(len(read_TB), texts, -1).amax(dim=0))
        features_BF = torch.cat(features, dim=1).index_select(0, order_B.argsort())
        logits_BC: Tensor = self.dense(self.dropout(features_BF.masked_fill((lengths_B == 0)[:, None], 0.0)))
        return logits_BC
